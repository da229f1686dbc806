//! What every store must do. Each case is a function over [`Bench`]; a store runs them all by naming its
//! factory below.

mod ledger;
mod orders;
mod outbox;
mod status;
mod timeline;

use crate::support::Bench;

macro_rules! conformance {
    ($store:ident, $make:expr) => {
        mod $store {
            use super::*;

            fn make() -> Bench {
                $make
            }

            conformance!(@cases ledger:
                a_repeat_gives_back_the_first_decision
                one_of_many_appliers_of_a_step_is_fresh
                a_stale_version_changes_nothing
                a_decision_applies_whole_or_not_at_all
                versions_count_the_decisions_that_changed_a_conversation
                a_message_recorded_twice_is_recorded_once
                drafts_and_opting_out_are_remembered
                a_read_after_a_write_sees_it);
            conformance!(@cases orders:
                five_times_yes_is_one_order
                an_order_placed_again_stays_as_it_is
                orders_move_by_the_table_of_states
                the_newest_order_comes_first
                a_wrong_total_is_refused);
            conformance!(@cases outbox:
                a_claim_lets_one_sender_through
                a_claim_that_ran_out_is_ambiguous
                what_is_sent_is_settled
                what_is_not_sent_can_be_claimed_again
                an_ambiguous_send_is_cleared_by_a_search
                a_sid_belongs_to_one_reply
                an_entry_knows_its_window_and_its_opt_out
                an_existing_reply_is_left_alone
                every_end_is_kept);
            conformance!(@cases status:
                arrivals_in_any_order
                a_callback_before_the_answer_proves_the_send
                callbacks_before_the_sid_is_known_are_followed_later
                a_callback_for_an_unknown_message_is_no_error
                a_second_message_is_told_and_not_followed
                error_codes_are_kept
                random_callbacks_never_move_back);
            conformance!(@cases timeline:
                an_inbound_message_tells_all_that_it_caused
                a_reply_tells_its_own_part
                a_stranger_has_no_timeline);
        }
    };
    (@cases $module:ident: $($case:ident)+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $case() {
                    crate::conformance::$module::$case(&super::make()).await;
                }
            )+
        }
    };
}

conformance!(sqlite, crate::support::Sqlite::bench());
