//! What holds for every text and every catalogue.

use super::*;
use proptest::prelude::*;

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set("[bcdfgklmprtvz][aeiou][bdfgklmprt]{1,2}[aeiou][a-z]{2,5}( [bcdfg][aeiou][klmnprt][aeiou]{2}[a-z]{2,3})?", 1..8)
        .prop_map(|names| names.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn anything_may_be_sent(text in "(?s).{0,200}", order in any::<bool>()) {
        check_sane(&text, order);
    }

    #[test]
    fn anything_like_an_order_may_be_sent(
        words in prop::collection::vec(prop_oneof![
            Just("2"), Just("x"), Just("×"), Just("*"), Just("-"), Just("1/2"), Just("0"), Just("9999999999"), Just("coke"),
            Just("water"), Just("eggs"), Just("dozen"), Just("kg"), Just("and"), Just(","), Just("\n"), Just("to"), Just("("),
            Just("no"), Just("a"), Just("12"), Just("Main St"), Just("half"), Just("y"), Just("treinta"), Just("1."), Just("7up"),
            Just("address:"), Just("को"), Just("."), Just("="), Just("hundred"), Just("1e5"), Just("500ml"), Just("farm eggs"),
        ], 0..14),
        glue in prop_oneof![Just(""), Just(" ")],
    ) {
        check_sane(&words.join(glue), false);
    }

    #[test]
    fn what_is_rendered_reads_back(names in names(), picks in prop::collection::vec((any::<prop::sample::Index>(), 1u32..=1000), 1..8)) {
        let products = names.iter().enumerate().map(|(index, name)| product(&format!("p{index}"), name, &[])).collect();
        let catalogue = menu(products);
        let mut items: Vec<(String, u32)> = Vec::new();
        for (index, quantity) in picks {
            let sku = format!("p{}", index.index(names.len()));
            if items.iter().all(|(known, _)| *known != sku) {
                items.push((sku, quantity));
            }
        }
        let text = render(&items, &catalogue);
        let order = parse(&text, &catalogue);
        let read: Vec<(String, u32)> = order.items.iter().map(|item| (item.sku.clone(), item.quantity)).collect();
        prop_assert_eq!(read, items, "{}: {:?}", text, order.problems);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever products are called: "2", "to", "x", "Ice, no sugar", "🍕".
    #[test]
    fn products_of_any_name_can_be_ordered(
        names in prop::collection::vec(prop_oneof![
            "\\PC{1,12}",
            prop::sample::select(vec!["2", "to", "x", "no", "and", "kg", "a dozen", "Rice (1kg)", "Rice (5kg)", "7up", "1. Tea", "address"])
                .prop_map(str::to_owned),
        ], 1..6),
        numbered in any::<bool>(),
        quantities in prop::collection::vec(1u32..=1000, 6),
    ) {
        let sku = |index: usize| if numbered { (index + 1).to_string() } else { format!("§{index}§") };
        let catalogue =
            menu(names.iter().enumerate().map(|(index, name)| product(&sku(index), name, &[])).collect());
        let items: Vec<(String, u32)> =
            (0..names.len()).map(|index| (sku(index), quantities[index])).collect();
        let text = render(&items, &catalogue);
        let order = parse(&text, &catalogue);
        let read: Vec<(String, u32)> = order.items.iter().map(|item| (item.sku.clone(), item.quantity)).collect();
        prop_assert_eq!(read, items, "{}: {:?}", text, order.problems);
    }
}

fn check_sane(text: &str, in_order: bool) {
    for catalogue in [cafe(), grocery(), menu(Vec::new())] {
        let context = if in_order { Context::Order } else { Context::Bare };
        let order = Parser::new(&catalogue).parse(text, context);
        for item in &order.items {
            assert!((1..=catalogue.quantity_max).contains(&item.quantity), "{text:?}: {item:?}");
            assert!(catalogue.products.iter().any(|product| product.sku == item.sku), "{text:?}: {item:?}");
        }
        let skus: std::collections::HashSet<_> = order.items.iter().map(|item| &item.sku).collect();
        assert_eq!(skus.len(), order.items.len(), "{text:?}");
    }
}
