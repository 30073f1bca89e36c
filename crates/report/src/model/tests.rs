use super::*;

const CONTRACT: &str = r#"{
  "schema": 1, "later": {"a": [1, 2]},
  "work": {"target": "work.py:fetch", "functions": [{"name": "fetch", "async": false}],
           "items": 200, "rounds": 5.0, "budget_s": 30, "took_s": null, "warnings": []},
  "machine": {"cpus": 2, "effective_cores": 1.9},
  "python": {"version": "3.13.0", "implementation": "CPython", "free_threaded": false},
  "forms": [
    {"form": "threads", "function": "fetch", "concurrency": 64, "measured": true, "rounds": 5,
     "elapsed_s": {"median": 0.042, "low": 0.04, "high": 0.046}, "throughput_per_s": 4762,
     "latency_s": {"p50": 0.01, "p99": null}, "cpu_s": 0.02,
     "shares": {"cpu_python": 0.2, "wait_network": 0.8, "wait_gil": null}, "gil_share": null,
     "switches_per_unit": null, "threads": 65, "peak_rss_bytes": 1048576.5,
     "bytes_per_unit": 19000.5, "errors": [], "status": "ok", "note": null, "rss_series": [1]},
    {"form": "processes", "concurrency": 2, "measured": false, "elapsed_s": null,
     "errors": [{"type": "PicklingError", "message": "x", "where": "work.py:12", "count": 1}],
     "status": "failed", "note": "items cannot be pickled"},
    {"form": "dask", "measured": false, "status": "on holiday"}
  ]}"#;

#[test]
fn a_report_is_read() {
    let report = parse(CONTRACT).unwrap();
    let threads = &report.forms[0];
    assert_eq!(threads.elapsed(), Some((0.04, 0.042, 0.046)));
    assert_eq!(threads.peak_rss_bytes, Count::from(1_048_577));
    assert_eq!(threads.shares.unwrap().wait_gil, None);
    assert_eq!(report.work.rounds, Count::from(5));
    assert_eq!(report.forms[1].state(), Status::Failed);
    assert_eq!(report.forms[1].errors[0].place.as_deref(), Some("work.py:12"));
    assert_eq!(report.forms[2].state(), Status::Other("on holiday".into()));
    assert_eq!(report.verdict, None);
}

#[test]
fn what_is_written_is_read_again_with_the_fields_that_are_not_known() {
    let report = parse(CONTRACT).unwrap();
    let written = to_json(&report);
    assert_eq!(parse(&written).unwrap(), report);
    assert_eq!(to_json(&parse(&written).unwrap()), written);
    let value: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(value["later"]["a"][1], 2);
    assert_eq!(value["forms"][0]["rss_series"][0], 1);
    assert_eq!(value["forms"][2]["status"], "on holiday");
    assert_eq!(value["forms"][1]["elapsed_s"], Value::Null);
    assert_eq!(value["work"]["functions"][0]["async"], false);
}

#[test]
fn another_version_is_refused_with_its_number() {
    let error = parse(r#"{"schema": 2, "forms": []}"#).unwrap_err().to_string();
    assert!(error.contains("`schema` 2") && error.contains("hint: "), "{error}");
}

#[test]
fn what_is_no_report_is_refused() {
    for text in ["", "[]", r#"{"schema": 1}"#, r#"{"schema": 1, "forms": 3}"#] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the report: "), "{error}");
    }
}

#[test]
fn an_interval_out_of_order_is_none() {
    let mut form = Form::default();
    for (low, median, high) in [(2.0, 1.0, 3.0), (-1.0, 1.0, 2.0), (0.0, 0.0, 0.0)] {
        form.elapsed_s = Some(Interval { median: Some(median), low: Some(low), high: Some(high) });
        assert_eq!(form.elapsed(), None);
    }
}
