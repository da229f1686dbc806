//! The scenarios as tests: each played once, with shorter outages than `cargo xtask faults` has.

use steadfast_faults::{Length, all, table};

async fn holds(id: &str) {
    let scenario = all().into_iter().find(|scenario| scenario.id == id).expect("no such scenario");
    let outcome = table::play(&scenario, Length::Short).await;
    let line = table::line(&scenario, &outcome);
    assert!(outcome.is_ok_and(|seen| seen.holds), "\n{line}");
}

macro_rules! scenarios {
    ($($name:ident = $id:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                holds($id).await;
            }
        )*

        #[test]
        fn every_scenario_is_a_test() {
            let tests = [$($id),*];
            let missing: Vec<_> = all().iter().map(|one| one.id).filter(|id| !tests.contains(id)).collect();
            assert!(missing.is_empty(), "without a test: {missing:?}");
            assert_eq!(tests.len(), all().len());
            let names = [$((stringify!($name), $id)),*];
            for (name, id) in names {
                let number = id.trim_start_matches('F').trim_end_matches(|c: char| c.is_ascii_lowercase());
                assert!(name.starts_with(&format!("f{number:0>2}_")), "{name} plays {id}");
            }
        }
    };
}

scenarios! {
    f01_half_open_under_traffic_is_replaced = "F1";
    f01_half_open_before_a_real_server_is_replaced = "F1b";
    f02_a_stopped_server_keeps_its_connections = "F2";
    f02_a_long_script_costs_no_connection = "F2b";
    f02_a_busy_server_costs_no_connection = "F2c";
    f03_a_lost_reply_never_executes_twice = "F3";
    f03_a_lost_reply_of_a_real_server_never_executes_twice = "F3b";
    f04_what_was_not_handed_over_is_sent_on_the_next_connection = "F4";
    f05_readonly_on_one_address_is_healed = "F5";
    f05_readonly_on_one_real_server_is_healed = "F5b";
    f05_readonly_in_a_script_is_healed = "F5c";
    f05_readonly_in_a_fixed_list_is_healed = "F5d";
    f05_readonly_in_scripts_of_a_fixed_list_is_healed = "F5e";
    f05_a_failover_that_sentinels_were_asked_for_fails_no_write = "F5f";
    f05_a_failover_by_sentinels_is_followed = "F5g";
    f05_a_failover_in_a_cluster_fails_no_call = "F5h";
    f05_a_killed_primary_of_a_cluster_is_replaced = "F5i";
    f05_an_address_that_leads_elsewhere_is_dialled_anew = "F5j";
    f06_switch_master_while_idle_is_followed = "F6";
    f06_an_unannounced_switch_is_found_by_asking = "F6b";
    f06_a_failover_by_real_sentinels_while_idle_is_followed = "F6c";
    f06_a_subscription_moves_and_is_told_of_the_gap = "F6d";
    f06_a_subscription_moves_with_real_sentinels = "F6e";
    f07_sentinels_that_disagree_never_lead_back = "F7";
    f07_a_server_that_is_no_primary_yet_is_waited_for = "F7b";
    f08_loading_is_waited_for = "F8";
    f08_a_real_server_that_loads_is_waited_for = "F8b";
    f09_refused_writes_are_told_why = "F9";
    f09_writes_refused_by_a_real_server_are_told_why = "F9b";
    f09_reads_avoid_a_replica_without_its_primary = "F9c";
    f09_reads_avoid_a_real_replica_without_its_primary = "F9d";
    f10_a_name_is_resolved_at_each_dial = "F10";
    f10_a_demoted_server_the_name_left_is_left_too = "F10b";
    f10_a_primary_the_name_left_is_kept = "F10c";
    f10_a_dead_address_among_good_ones_is_passed_over = "F10d";
    f11_a_full_server_is_found_again = "F11";
    f11_a_full_real_server_is_found_again = "F11b";
    f12_a_refused_password_is_no_end = "F12";
    f12_a_rotated_password_is_taken_up_in_place = "F12b";
    f12_a_password_rotated_on_a_real_server_is_taken_up = "F12c";
    f12_a_password_told_late_is_taken_up = "F12d";
    f13_a_wait_that_never_returns_is_given_up = "F13";
    f13_a_wait_that_somebody_ends_goes_on = "F13b";
    f14_workers_at_a_former_primary_move = "F14";
    f15_nothing_is_lost_when_callers_go_away = "F15";
    f16_who_finds_no_connection_waits_in_a_bounded_line = "F16";
    f16_hanging_dials_do_not_add_up = "F16b";
    f17_dials_in_an_outage_are_spaced = "F17";
    f17_dials_of_many_clients_are_spread = "F17b";
    f18_a_storm_of_redirections_is_followed = "F18";
    f18_redirections_in_a_circle_end = "F18b";
    f18_a_slot_that_moves_is_asked_for = "F18c";
    f18_a_cluster_that_is_down_is_waited_for = "F18d";
    f18_slots_that_move_in_a_real_cluster_fail_no_call = "F18e";
    f19_a_shard_that_hangs_holds_up_no_other = "F19";
    f19_a_shard_that_is_down_holds_up_no_other = "F19b";
    f19_a_stopped_node_of_a_real_cluster_holds_up_no_other = "F19c";
    f20_what_waits_to_be_sent_is_bounded = "F20";
    f20_who_waits_for_a_connection_is_bounded = "F20b";
    f21_errors_of_callers_open_no_circuit = "F21";
    f21_a_refused_connection_opens_the_circuit = "F21b";
    f21_a_total_outage_opens_the_circuit_after_many_good_calls = "F21c";
    f22_a_half_open_circuit_lets_few_through = "F22";
    f22_a_server_that_comes_back_is_not_run_over = "F22b";
    f23_flapping_is_one_episode = "F23";
    f24_a_silent_subscription_is_replaced = "F24";
    f24_a_half_open_subscription_is_replaced = "F24b";
    f24_a_quiet_subscription_is_kept = "F24c";
    f25_writes_outlive_their_process = "F25";
    f26_nodes_that_were_never_seeds_are_kept = "F26";
}
