// Streams and nothing else, for scripts/compare-peers.sh: VUS users without pauses, or RATE requests per second.
// Environment: URL, BODY, SECONDS, and VUS or RATE.
import http from 'k6/http';

const RATE = Number(__ENV.RATE || 0);
const VUS = Number(__ENV.VUS || 0);
const duration = `${__ENV.SECONDS}s`;
const gracefulStop = '5s';
const open = { executor: 'constant-arrival-rate', rate: RATE, duration, preAllocatedVUs: 200, maxVUs: 1000, gracefulStop };
const closed = { executor: 'constant-vus', vus: VUS, duration, gracefulStop };

export const options = {
  scenarios: { streams: RATE ? open : closed },
  summaryTrendStats: ['p(50)', 'p(99)', 'count'],
};

// The body is read to its end and kept nowhere, which costs k6 least.
const parameters = { headers: { 'Content-Type': 'application/json' }, timeout: '60s', responseType: 'none' };

export default function () {
  http.post(__ENV.URL, __ENV.BODY, parameters);
}
