use super::*;
#[test]
fn names() {
    for rule in RULES {
        assert_eq!(rule.name().parse::<StopRule>().unwrap(), rule);
    }
}
