// The load of our profiles as a k6 script, for scripts/compare-k6.sh: same stages, mix, think times and limits.
// Environment: TARGET (an origin or a chat URL's prefix), PROFILE, MAX_VUS (0: the profile's), TIME_SCALE.
import http from 'k6/http';
import { check, sleep } from 'k6';
import { Counter, Trend } from 'k6/metrics';

const TARGET = __ENV.TARGET;
const PROFILE = __ENV.PROFILE || 'smoke';
const SCALE = Number(__ENV.TIME_SCALE || 1);
const MAX_VUS = Number(__ENV.MAX_VUS || 0);

const PROFILES = {
  smoke: { stages: null, vus: 1, seconds: 10, mix: 'chat' },
  load: { stages: [[30, 10], [60, 10], [30, 50], [120, 50], [30, 0]], mix: 'chat' },
  stress: { stages: [[30, 50], [60, 100], [60, 200], [120, 200], [30, 500], [60, 500], [60, 0]], mix: 'chat' },
  spike: { stages: [[10, 10], [5, 500], [30, 500], [10, 10], [30, 10], [10, 0]], mix: 'chat' },
  soak: { stages: [[60, 50], [1800, 50], [60, 0]], mix: 'chat' },
  'high-concurrency': { stages: [[60, 500], [120, 500], [30, 0]], mix: 'short' },
};

const profile = PROFILES[PROFILE];
if (!profile) {
  throw new Error(`no profile ${PROFILE}; there are ${Object.keys(PROFILES).join(', ')}`);
}

function scenario() {
  if (!profile.stages) {
    return { executor: 'constant-vus', vus: MAX_VUS || profile.vus, duration: `${Math.round(profile.seconds * SCALE * 1000)}ms` };
  }
  const peak = Math.max(...profile.stages.map((stage) => stage[1]));
  const vus = (n) => (n === 0 || !MAX_VUS ? n : Math.max(1, Math.round((n * MAX_VUS) / peak)));
  return {
    executor: 'ramping-vus',
    startVUs: 1,
    gracefulRampDown: '30s',
    stages: profile.stages.map(([seconds, target]) => ({
      duration: `${Math.round(seconds * SCALE * 1000)}ms`,
      target: vus(target),
    })),
  };
}

export const options = {
  scenarios: { [PROFILE]: scenario() },
  summaryTrendStats: ['avg', 'min', 'med', 'max', 'p(50)', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'count'],
};

// What scripts for k6 report as the time to the first token: the time to the first byte of the header.
const firstToken = new Trend('time_to_first_token', true);
const tokens = new Counter('tokens_processed');

const MODELS = ['gpt-5', 'gpt-5-mini', 'gpt-4o', 'gpt-4o-mini', 'claude-opus-4', 'claude-sonnet-4', 'o3-mini'];
const PROMPTS = [
  'Explain in a few sentences how a suspension bridge carries its load.',
  'Write a short story about a clockmaker who finds a watch that runs backwards.',
  'What are the trade-offs between a hash table and a balanced tree?',
  'Summarise the causes of the tides for a ten-year-old.',
  'Describe three ways to keep a database fast as it grows.',
  'Give me a plan for learning to read music in a month.',
  'Why do some metals rust while others do not?',
];

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const between = (low, high) => low + Math.floor(Math.random() * (high - low + 1));

function chat(prompt, maxTokens, stream, timeout) {
  const body = { model: pick(MODELS), messages: [{ role: 'user', content: prompt }], max_tokens: maxTokens, stream };
  const response = http.post(`${TARGET}/chat/completions`, JSON.stringify(body), {
    headers: { 'Content-Type': 'application/json' },
    timeout,
    tags: { name: stream ? 'stream' : 'plain' },
  });
  const good = check(response, { 'status is 200': (r) => r.status === 200 });
  if (!good) {
    return;
  }
  if (stream) {
    firstToken.add(response.timings.waiting);
    tokens.add(response.body.split('\n').filter((line) => line.startsWith('data:') && line.includes('"content"')).length);
  } else {
    tokens.add(response.json('usage.completion_tokens') || 0);
  }
}

const MIXES = {
  chat: () => {
    if (Math.random() < 0.7) {
      chat(pick(PROMPTS), between(50, 200), true, '60s');
    } else {
      chat(pick(PROMPTS), between(50, 150), false, '60s');
    }
    sleep(0.1 + Math.random() * 0.2);
  },
  short: () => {
    const draw = Math.random();
    if (draw < 0.7) {
      chat('Hi', 20, false, '30s');
    } else if (draw < 0.9) {
      chat(pick(PROMPTS), 50, true, '60s');
    } else {
      http.get(`${__ENV.LIGHT}`, { timeout: '10s', tags: { name: 'light' } });
    }
    sleep(0.01 + Math.random() * 0.05);
  },
};

export default MIXES[profile.mix];
