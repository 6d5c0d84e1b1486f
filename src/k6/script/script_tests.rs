use super::*;

fn read_with(source: &str, env: &[(&str, &str)]) -> Result<Script, Reason> {
    let env = env
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    read(source, &env)
}

/// The options as JSON, and the remarks.
#[track_caller]
fn options(source: &str) -> (String, Vec<String>) {
    let script = read_with(source, &[]).unwrap_or_else(|e| panic!("{e}\n{source}"));
    (Value::Object(script.options).to_string(), script.remarks)
}

#[track_caller]
fn refused(source: &str) -> String {
    let reason = read_with(source, &[]).unwrap_err();
    assert!(reason.hint.is_some(), "{reason}");
    reason.what
}

const FOUR: &str = r#"{"duration":"3s","vus":4}"#;

#[test]
fn the_exported_options_are_found_wherever_they_are_exported() {
    for source in [
        "export const options = { vus: 4, duration: '3s' };",
        "export let options={vus:4,duration:\"3s\"}\nexport default function () {}",
        "export var options = { vus: 4, duration: `3s`, }",
        "export { options };\nconst options = { vus: 4, duration: '3s' };",
        "const config = { vus: 4, duration: '3s' };\nexport { config as options, run as default };\nfunction run() {}",
        "const c = { vus: 4, duration: '3s' };\nexport { c as 'options' };",
        "export let options;\noptions = { vus: 4, duration: '3s' };",
        "module.exports.options = { vus: 4, duration: '3s' };",
        "exports.options = void 0;\nexports.options = { vus: 4, duration: '3s' };",
        "var options = exports.options = { vus: 4, duration: '3s' };",
        "exports['options'] = { vus: 4, duration: '3s' };",
        "const options = { vus: 4, duration: '3s' };\nmodule.exports = { options, default: () => {} };",
        "module.exports = { options: { vus: 4, duration: '3s' }, default() {} };",
        "export = { options: { vus: 4, duration: '3s' } };",
        "#!/usr/bin/env k6\n'use strict'\nexport const a = 1, options = { vus: 4, duration: '3s' }, b = 2",
        "const options = { vus: 4, duration: '3s' };\nexport { options, options as default };",
    ] {
        assert_eq!(options(source).0, FOUR, "{source}");
        assert_eq!(options(source).1, [""; 0], "{source}");
    }
}

/// All that is called or looks like `options` and is not what k6 reads.
#[test]
fn text_that_only_looks_like_options_is_ignored() {
    let export = "export const options = { vus: 4, duration: '3s' };";
    for before in [
        "function ask(p) { const options = { headers: {}, timeout: '60s' }; return http.post(u, p, options); }",
        "const ask = (options = { vus: 9 }) => http.get(u, options);",
        "const ask = async (p, options) => { options = { ...options, vus: 9 }; return options; };",
        "const requestOptions = { vus: 9, duration: '9s' }, requestoptions = { vus: 8 };",
        "// export const options = { vus: 9, duration: '9s' };",
        "/* export const options = { vus: 9, duration: '9s' }; */",
        "const text = 'export const options = { vus: 9 }';",
        "const text = \"it's export const options = { vus: 9 }\";",
        "const text = `\nexport const options = { vus: 9, duration: '${9}s' };\n`;",
        "const text = `a ${`b ${'}'} export const options = { vus: 9 }`} c`;",
        "const quote = /['\"`{]/g; const half = 1 / 2 / 3;",
        "if (/export const options = {'/.test(x)) /[/'\"]/.exec(y);",
        "http.options = { vus: 9 }; http.batch({ options: { vus: 9 } });",
        "interface options { vus: number }\ntype Options = { options: { vus: 9 } };",
        "type options = { vus: 9 };",
        "declare const options: { vus: 9 };",
        "class Client { options = { vus: 9 }; constructor(options) { this.options = options; } }",
        "namespace inner { export const options = { vus: 9 }; }",
        "for (const options of [{ vus: 9 }]) { options.vus = 8; }",
        "import { options as others } from './options.js';",
    ] {
        for source in [format!("{before}\n{export}"), format!("{export}\n{before}")] {
            assert_eq!(options(&source), (FOUR.to_owned(), vec![]), "{source}");
        }
    }
}

#[test]
fn the_types_of_typescript_are_ignored() {
    for source in [
        "export const options: Options = { vus: 4, duration: '3s' };",
        "export const options = { vus: 4, duration: '3s' } satisfies Options;",
        "export const options = { vus: 4, duration: '3s' } as const satisfies Options\nexport default () => {}",
        "export const options = { vus: 4, duration: '3s' } as unknown as Options;",
        "export const options = <Options>{ vus: 4, duration: '3s' };",
        "export let options: { vus: number; duration: string } = { vus: 4, duration: '3s' };",
        "export const options: Partial<Record<string, Array<number | string>>> = { vus: 4, duration: '3s' };",
        "export const options: Record<string, Array<number>>= { vus: 4, duration: '3s' };",
        "export const options: () => void | Options['a'] = { vus: 4 as number, duration: <string>'3s' };",
        "export const options: k6.Options & { a?: readonly string[] } = { vus: 4!, duration: ('3s' as string) };",
        "import type { Options } from 'k6/options';\nexport type { Options };\nexport const enum E { options = 1 }\n\
         export const options: Options = { vus: 4, duration: '3s' };",
        "function f<T extends { options: T }>(options: T): asserts options is T { options = g<T>(options); }\n\
         export const options: import('k6/options').Options = { vus: 4, duration: '3s' };",
    ] {
        assert_eq!(options(source), (FOUR.to_owned(), vec![]), "{source}");
    }
}

#[test]
fn constants_spreads_and_shorthands_of_the_same_file_are_resolved_and_listed() {
    for (before, written, names) in [
        ("const vus = 4, duration = '3s';", "{ vus, duration }", 2),
        (
            "const common = { vus: 9, duration: '3s' };",
            "{ ...common, vus: 4 }",
            1,
        ),
        (
            "const common = { vus: 9, duration: '3s' };",
            "Object.assign({}, common, { vus: 4 })",
            1,
        ),
        (
            "const c = Object.freeze({ load: { vus: 4 } });",
            "{ ...c.load, ['dur' + 'ation']: `${3}s` }",
            1,
        ),
        (
            "const S = 3; const c = { d: `${S}s` };",
            "{ vus: S + 1, duration: c['d'] }",
            2,
        ),
        (
            "const P = { a: { vus: 4 }, b: { vus: 9 } }; const which = 'a';",
            "{ ...P[which], duration: '3s' }",
            2,
        ),
        (
            "const base = { vus: 4 } as const;",
            "<Options>{ ...(base as Options), duration: '3s' }",
            1,
        ),
        (
            "const on = false;",
            "{ vus: on ? 9 : 4, ...(on && { rps: 1 }), duration: '3s' }",
            1,
        ),
        (
            "const list = [4, 9];",
            "{ vus: list[0], duration: list.length + 1 + 's' }",
            1,
        ),
        ("let later; later = { vus: 4, duration: '3s' };", "later", 1),
    ] {
        let source = format!("{before}\nexport const options = {written};");
        let (found, remarks) = options(&source);
        assert_eq!(found, FOUR, "{source}");
        assert_eq!(remarks.len(), names, "{source}: {remarks:?}");
        assert!(
            remarks
                .iter()
                .all(|r| r.starts_with("the name `") && r.contains("(line 1): it was replaced by its value")),
            "{remarks:?}"
        );
    }
    let numbers = "export const options = { a: 1_000, b: 0x10, c: 1.5e3, d: -.5, e: 2 ** 3 ** 2, f: 7 % 4 * 2, \
                   g: Math.max(1, 5), h: parseInt('10s', 10), i: Math.round(2.5), j: Number('3') / 4, k: +'6', \
                   l: 1 + 2 + 's', m: (1, 2), n: null ?? 3, o: !0, p: 5 >= 5, q: 3 > 4, r: undefined, s: 'a\\u0041\\x42' }";
    assert_eq!(
        options(numbers).0,
        r#"{"a":1000,"b":16,"c":1500,"d":-0.5,"e":512,"f":6,"g":5,"h":10,"i":3,"j":0.75,"k":6,"l":"3s","m":2,"n":3,"o":true,"p":true,"q":false,"r":null,"s":"aAB"}"#
    );
}

/// The environment is the user's to give; without it the script's own defaults stand, and that is said.
#[test]
fn variables_of_the_environment_are_given_or_taken_as_not_set() {
    let source = "const VUS = parseInt(__ENV.VUS || '4');\n\
                  export const options = { vus: VUS, duration: __ENV['TIME'] ?? '3s', \
                  ...(__ENV.DEBUG ? { httpDebug: 'full' } : {}), ...(__ENV.EXTRA === 'on' && { rps: 3 }) };";
    let (found, remarks) = options(source);
    assert_eq!(found, FOUR);
    for name in ["VUS", "TIME", "DEBUG", "EXTRA"] {
        let wanted = format!("`__ENV.{name}`: taken as not set; set it with `-e {name}=VALUE`");
        assert!(
            remarks.iter().any(|r| r.starts_with(&wanted)),
            "{name}: {remarks:?}"
        );
    }
    let given = [("VUS", "7"), ("TIME", "5s"), ("DEBUG", ""), ("EXTRA", "on")];
    let script = read_with(source, &given).unwrap();
    assert_eq!(
        Value::Object(script.options).to_string(),
        r#"{"duration":"5s","rps":3,"vus":7}"#
    );
    assert_eq!(script.remarks.len(), 1, "{:?}", script.remarks);
    let bare = read_with("export const options = { vus: __ENV.VUS }", &[("VUS", "7")]).unwrap();
    assert_eq!(bare.options.get("vus"), Some(&Value::Text("7".into())));
}

/// What is left unread, each as (script, where, what is said).
#[test]
fn values_that_only_k6_can_evaluate_are_marked_with_the_reason() {
    for (value, source, why) in [
        ("__ENV.X", "`__ENV.X`", "`-e X=VALUE`"),
        ("parseInt(__ENV.X)", "`__ENV.X`", "`-e X=VALUE`"),
        ("`p(95)<${__ENV.X}`", "`p(95)<${__ENV.X}`", "`-e X=VALUE`"),
        ("LIMITS", "`LIMITS`", "`LIMITS` comes from `./limits.js`"),
        ("LIMITS.a.b", "`LIMITS`", "`LIMITS` comes from `./limits.js`"),
        ("all.a", "`all`", "`all` comes from `./all.js`"),
        ("limits(3)", "`limits(3)`", "functions are not run here"),
        ("(() => 3)()", "`(() => 3)()`", "functions are not run here"),
        (
            "function () { return 3 }",
            "`function () { return 3 }`",
            "functions are not run here",
        ),
        ("new Map()", "`new Map()`", "objects of classes"),
        ("JSON.parse(open('x.json'))", "", "functions are not run here"),
        ("nowhere", "`nowhere`", "not set at the top level"),
        ("part", "`part`", "destructured from another value"),
        ("unset", "`unset`", "gets its value when k6 runs"),
        ("itself", "`itself`", "refers to itself"),
        ("a ? b : c", "`a`", "not set at the top level"),
        ("/x/g", "`/x/g`", "not evaluated here"),
        ("typeof 3", "`typeof 3`", "not evaluated here"),
        ("1 << 3", "`1 << 3`", "not evaluated here"),
        ("await x", "`await x`", "not evaluated here"),
        ("x = 3 y", "", "not evaluated here"),
        ("0 / 0", "`0 / 0`", "not evaluated here"),
    ] {
        let script = format!(
            "import {{ LIMITS }} from './limits.js';\nimport * as all from './all.js';\n\
             const {{ part }} = LIMITS; let unset; const itself = {{ a: itself }};\nfunction limits() {{}}\n\
             export const options = {{ before: 1,\n x: {value}, after: 2 }};"
        );
        let found = read_with(&script, &[]).unwrap_or_else(|e| panic!("{e}\n{script}"));
        assert_eq!(found.options.get("before"), Some(&Value::Number(1.0)), "{value}");
        assert_eq!(found.options.get("after"), Some(&Value::Number(2.0)), "{value}");
        let x = found.options.get("x").cloned().unwrap_or(Value::Null);
        let unread = match x {
            Value::Unread(unread) => unread,
            Value::Object(object) if value == "itself" => match object.get("a") {
                Some(Value::Unread(unread)) => unread.clone(),
                other => panic!("{value}: {other:?}"),
            },
            other => panic!("{value}: {other:?}"),
        };
        let text = unread.to_string();
        assert!(text.contains(source) && text.contains(why), "{value}: {text}");
    }
}

#[test]
fn unknown_spreads_and_keys_are_kept_apart_from_the_fields() {
    let script = read_with(
        "import { COMMON, NAME } from './common.js';\nexport const options = {\n  ...COMMON,\n  [NAME]: 1,\n  \
         ...build(),\n  vus: 4,\n};",
        &[],
    )
    .unwrap();
    let unread: Vec<String> = script.options.unread().iter().map(ToString::to_string).collect();
    assert_eq!(unread.len(), 3, "{unread:?}");
    assert!(
        unread[0].starts_with("`...COMMON` (line 3): `COMMON` comes from"),
        "{unread:?}"
    );
    assert!(
        unread[1].starts_with("`[NAME]` (line 4): `NAME` comes from"),
        "{unread:?}"
    );
    assert!(
        unread[2].starts_with("`...build()` (line 5): functions"),
        "{unread:?}"
    );
    assert_eq!(script.options.get("vus"), Some(&Value::Number(4.0)));
    // A spread that is known to spread nothing is none.
    let none = "export const options = { ...null, ...undefined, ...(false && f()), vus: 1 }";
    assert!(read_with(none, &[]).unwrap().options.unread().is_empty());
}

#[test]
fn later_changes_of_the_options_are_listed_with_their_line() {
    let export = "const limits = { checks: ['rate>0.9'] };\n\
                  export const options = { vus: 4, thresholds: limits };\n";
    for change in [
        "options.thresholds.http_reqs = ['count>1'];",
        "options['thresholds'] = {};",
        "options.thresholds[`a${1}`] ??= [];",
        "if (__ENV.X) { limits.http_reqs = ['count>1']; }",
        "for (const key in x) limits[key] = x[key];",
        "limits.checks.push('rate>0.99');",
        "delete options.thresholds;",
        "Object.assign(options, { vus: 9 });",
        "function tune() { Object.assign(limits, more); }",
        "const alias = options.thresholds; alias.http_reqs = ['count>1'];",
        "tune(options);",
        "lib.tune('x', limits);",
        "options.vus++;",
        "list.forEach((name) => { limits[name] = ['rate>0'] });",
        "function tune(other) { if (options.vus) { options!.vus = 3 } }",
    ] {
        let source = format!("{export}{change}");
        let remarks = options(&source).1;
        let of_change: Vec<&String> = remarks.iter().filter(|r| r.contains("(line 3)")).collect();
        assert_eq!(of_change.len(), 1, "{change}: {remarks:?}");
        let assigned = change.contains("http_reqs = ");
        assert!(
            !assigned || of_change[0].contains("['count>1']` (line 3)"),
            "{remarks:?}"
        );
        assert!(of_change[0].contains("is not followed"), "{change}: {remarks:?}");
    }
    for harmless in [
        "console.log(JSON.stringify(options), options.thresholds);",
        "Object.keys(limits).forEach((k) => console.log(k));",
        "export default function (options) { options.vus = 9; }",
        "function f({ options }) { options.thresholds = {}; }",
        "const g = ({ limits = {} }) => { limits.a = 1; };",
        "export function handleSummary(data) { const { options } = data; options.vus = 3; return f(options); }",
        "if (options.vus === 4 && options.vus >= 3) console.log('=');",
        "http.get('x', { options: 3, limits: 4 }); res.options = 3;",
        "check(r, { 'is 200': (r) => r.status === 200 });",
        "export default () => { http.get('x', options); };",
        "class C { #options = 1; set(o) { this.#options = o; this.options = o; } }",
    ] {
        let remarks = options(&format!("{export}{harmless}")).1;
        assert_eq!(remarks.len(), 1, "{harmless}: {remarks:?}");
    }
}

#[test]
fn a_script_without_options_for_k6_is_refused_with_what_was_found() {
    for (source, what) in [
        (
            "const options = { vus: 4 };",
            "`options` (line 1) is not exported",
        ),
        (
            "\nfunction f() { const options = { vus: 4 } }",
            "neither JSON nor a script",
        ),
        ("export default function () {}", "neither JSON nor a script"),
        (
            "export { options } from './options.js';",
            "come from `./options.js`",
        ),
        ("export * from './options.js';", "come from `./options.js`"),
        (
            "import { options } from './o.js';\nexport { options };",
            "come from `./o.js`",
        ),
        (
            "import o from './o.js';\nexport { o as options };",
            "come from `./o.js`",
        ),
        (
            "export const { options } = config;",
            "`options` (line 1): `options` (line 1) is destructured",
        ),
        ("export function options() {}", "functions are not run here"),
        (
            "export const options = build({ vus: 4 });",
            "`build({ vus: 4 })` (line 1): functions",
        ),
        (
            "export const options = () => ({ vus: 4 });",
            "functions are not run here",
        ),
        ("export const options = [1];", "`options` is [1], not an object"),
        (
            "const a = {}, b = {};\nexport { a as options };\nexport { b as options };",
            "exported 2 times",
        ),
        (
            "module.exports = { default: f };",
            "`module.exports` has no `options`",
        ),
        ("module.exports = { ...config };", "`config` is not set"),
        ("export { nowhere as options };", "`nowhere` is not set"),
        ("export const options = { vus: 4 ", "line 1: `{` is never closed"),
        (
            "export const options = { vus: 4 ] }",
            "line 1: `]` closes nothing",
        ),
        ("const a = 'x\n';", "line 1: a string has no end"),
        ("\n/* never", "line 2: a comment has no end"),
        ("`${a", "a template has no end"),
        ("`a", "line 1: a template has no end"),
    ] {
        let found = refused(source);
        assert!(found.contains(what), "{source}: {found}");
    }
}

#[test]
fn metrics_of_a_script_have_their_types_and_what_is_added_to_them() {
    let source = "import { Trend } from 'k6/metrics'; import * as m from 'k6/metrics';\n\
        const ttft: Trend = new Trend('ttft', true), e = new m.Rate(\"errors\");\n\
        const all = { tokens: new Counter(`tokens`) }; new Gauge(name); new Map();\n\
        export default function () { ttft.add((Date.now() - start) / 1000, { a: 'b' }); ttft.add(r.timings.waiting); \
        all.tokens.add(3); e.add(false); }\n\
        export const options = {};";
    let found = read_with(source, &[]).unwrap().metrics;
    let rows: Vec<(&str, Type, Vec<&str>)> = found
        .iter()
        .map(|m| {
            (
                m.name.as_str(),
                m.of,
                m.added.iter().map(String::as_str).collect(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (
                "ttft",
                Type::Trend,
                vec!["(Date.now()-start)/1000,{a:}", "r.timings.waiting"]
            ),
            ("errors", Type::Rate, vec!["false"]),
            ("tokens", Type::Counter, vec!["3"]),
        ]
    );
}

/// Deep, long and broken text ends, without an overflow of the stack.
#[test]
fn deep_and_broken_scripts_are_refused_without_a_panic() {
    let deep = |open: &str, close: &str| {
        format!(
            "export const options = {{ a: {}1{} }};",
            open.repeat(20_000),
            close.repeat(20_000)
        )
    };
    for source in [
        deep("[", "]"),
        deep("(", ")"),
        deep("{a:", "}"),
        deep("!", ""),
        deep("1**", ""),
        deep("1+", ""),
        deep("a=", ""),
        deep("a.", ""),
        deep("a?1:", ""),
        deep("a<", ""),
        deep("<", ">"),
        deep("`${", "}`"),
        deep("f(", ")"),
        deep("x=>", ""),
        deep("function(){", "}"),
        deep("new ", ""),
    ] {
        let _ = read_with(&source, &[]);
    }
    let chain: String = (1..2_000)
        .map(|i| format!("const a{i} = [a{}, a{}];\n", i - 1, i - 1))
        .collect();
    let source = format!("const a0 = 1;\n{chain}export const options = {{ a: a1999, b: a12 }};");
    let script = read_with(&source, &[]).unwrap();
    assert!(script.options.get("a").is_some() && script.options.get("b").is_some());
    // Cut anywhere, it is refused or read.
    let whole = "import { a } from 'b';\nconst c = `x${a ? `y` : 'z'}` as string; // d\n\
                 export const options: Options = { ...c, /* e */ vus: 4, f() { return /[/]g/ } } satisfies O;\n\
                 options.thresholds = [1, 2].map((x) => x);";
    for cut in (0..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
        let _ = read_with(&whole[..cut], &[]);
        let _ = read_with(&whole[cut..], &[]);
    }
}
