//! `docs/mechanisms.md` against the rules.

use forktax::model::Mechanism;
use forktax::profile::mechanisms::rule_of;

#[test]
fn every_mechanism_has_a_section_with_functions_of_its_own() {
    let page = include_str!("../../docs/mechanisms.md");
    for mechanism in Mechanism::ALL {
        let word = serde_json::to_value(mechanism).unwrap();
        let head = format!("(`{}`)\n", word.as_str().unwrap());
        let section = page.split_once(&head).map(|(_, rest)| rest);
        let section = section.unwrap_or_else(|| panic!("no section for {mechanism:?}"));
        let section = section.split("\n#").next().unwrap_or_default();
        let list = section.split("- Functions: ").nth(1).unwrap_or_default();
        let list = list.split("\n- ").next().unwrap_or_default();
        let mut functions = 0;
        for function in list.split('`').filter_map(|word| word.strip_suffix("()")) {
            let counted_as = rule_of(function).map(|rule| rule.mechanism);
            assert_eq!(counted_as, Some(mechanism), "{function}");
            functions += 1;
        }
        let without = matches!(mechanism, Mechanism::UserMode | Mechanism::Other);
        assert_eq!(functions == 0, without, "{mechanism:?}");
    }
}
