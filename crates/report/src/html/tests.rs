use super::*;
use crate::model::parse;

#[test]
fn what_is_filled_in_is_not_filled_again() {
    let page = fill("<p>{{a}}</p>{{b}}!", |name| format!("[{name} {{{{b}}}}]"));
    assert_eq!(page, "<p>[a {{b}}]</p>[b {{b}}]!");
}

#[test]
fn every_place_of_the_page_is_filled() {
    let page = html(&parse(r#"{"schema": 1, "forms": []}"#).expect("a report without rows"));
    assert!(!page.contains("{{"));
    assert!(page.contains("not judged"));
}
