// SPDX-License-Identifier: BSL-1.0
//
// Cancellation of tasks: requests, their delivery, their count.

#include "tests/conformance/support.hpp"

#include <atomic>
#include <optional>
#include <stdexcept>
#include <type_traits>

namespace coir {
namespace {

using test::journal;
using test::settle;
using test::wait_forever;

// Its exception, as text.
template <class T>
std::string end_of(task<T>& t) {
    try {
        t.get();
    } catch (...) {
        return test::message_of(std::current_exception());
    }
    return "a result";
}

// --- requests ----------------------------------------------------------------------------------------------------------

COIR_CONFORMS(cancelling, cancel_interrupts_the_wait) {
    auto t = spawn(wait_forever);
    settle();
    EXPECT_FALSE(t.cancelled());
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(t.cancelled());
}

COIR_CONFORMS(cancelling, cancel_is_false_once_the_task_is_done) {
    auto t = spawn([] { return 1; });
    t.wait();
    EXPECT_FALSE(t.cancel());
    EXPECT_EQ(t.get(), 1);
}

COIR_CONFORMS(cancelling, cancel_is_true_and_counted_each_time) {
    auto t = spawn([] {
        auto const self = current_task();
        for (unsigned i = 1; i <= 3; ++i) {
            EXPECT_TRUE(self.cancel());
            EXPECT_EQ(self.cancelling(), i);
        }
        throw cancelled();
    });
    t.wait();
    EXPECT_TRUE(t.cancelled());
}

COIR_CONFORMS(cancelling, cancel_goes_to_the_future_that_is_awaited) {
    promise<int> p;
    auto f = p.get_future();
    auto t = spawn([&] { f.get(); });
    settle();
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(f.cancelled());
    EXPECT_FALSE(p.try_set_value(1));
}

COIR_CONFORMS(cancelling, cancel_goes_to_the_task_that_is_awaited) {
    auto inner = spawn(wait_forever);
    auto outer = spawn([&] { inner.get(); });
    settle();
    outer.cancel();
    EXPECT_THROW(outer.get(), cancelled);
    EXPECT_TRUE(inner.cancelled());
}

COIR_CONFORMS(cancelling, cancel_goes_down_a_chain_of_tasks) {
    auto innermost = spawn(wait_forever);
    auto middle = spawn([&] { innermost.get(); });
    auto outer = spawn([&] { middle.get(); });
    settle();
    outer.cancel("from above");
    EXPECT_EQ(end_of(outer), "cancelled: from above");
    EXPECT_EQ(end_of(innermost), "cancelled: from above");
}

COIR_CONFORMS(cancelling, awaiter_waits_until_the_task_it_cancelled_has_ended) {
    event let_go;
    auto inner = spawn([&] {
        try {
            wait_forever();
        } catch (cancelled const&) {
            let_go.wait();
            throw;
        }
    });
    auto outer = spawn([&] { inner.get(); });
    settle();
    outer.cancel();
    settle();
    EXPECT_FALSE(outer.done());
    let_go.set();
    EXPECT_THROW(outer.get(), cancelled);
    EXPECT_TRUE(inner.cancelled());
}

COIR_CONFORMS(cancelling, awaited_task_that_goes_on_all_the_same_gives_its_result) {
    auto inner = spawn([] {
        EXPECT_THROW(wait_forever(), cancelled);
        return 3;
    });
    auto outer = spawn([&] { return inner.get(); });
    settle();
    outer.cancel();
    EXPECT_EQ(outer.get(), 3);
    EXPECT_FALSE(outer.cancelled());
}

COIR_CONFORMS(cancelling, task_that_has_not_started_never_runs) {
    test::on_a_strand([] {
        bool ran = false;
        auto t = spawn([&] { ran = true; });
        EXPECT_TRUE(t.cancel());
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_FALSE(ran);
    });
}

COIR_CONFORMS(cancelling, message_is_carried_to_the_exception) {
    auto t = spawn(wait_forever);
    settle();
    t.cancel("closing time");
    EXPECT_EQ(end_of(t), "cancelled: closing time");
}

COIR_CONFORMS(cancelling, message_may_be_left_out) {
    auto t = spawn(wait_forever);
    settle();
    t.cancel();
    EXPECT_EQ(end_of(t), "cancelled: ");
}

COIR_CONFORMS(cancelling, message_of_requests_that_are_delivered_as_one) {
    test::on_a_strand([] {
        auto t = spawn(wait_forever);
        settle();
        t.cancel("first");
        t.cancel("second");  // t waits for its turn meanwhile
        EXPECT_EQ(end_of(t), "cancelled: second");
    });
}

// --- delivery ----------------------------------------------------------------------------------------------------------

COIR_CONFORMS(cancelling, request_to_a_running_task_is_thrown_at_its_next_await) {
    journal<int> steps;
    auto t = spawn([&] {
        current_task().cancel();
        steps.add(1);
        EXPECT_THROW(yield(), cancelled);
        steps.add(2);
    });
    t.get();
    EXPECT_EQ(steps.size(), 2u);
}

COIR_CONFORMS(cancelling, requests_that_were_not_delivered_are_one) {
    auto t = spawn([] {
        auto const self = current_task();
        self.cancel();
        self.cancel();
        EXPECT_THROW(yield(), cancelled);
        EXPECT_NO_THROW(yield());
    });
    t.get();
    EXPECT_FALSE(t.cancelled());
}

COIR_CONFORMS(cancelling, request_after_a_delivery_is_thrown_again) {
    auto t = spawn([] {
        EXPECT_THROW(wait_forever(), cancelled);
        wait_forever();
    });
    settle();
    t.cancel();
    settle();
    EXPECT_FALSE(t.done());
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
}

COIR_CONFORMS(cancelling, request_is_thrown_once) {
    auto t = spawn([] {
        EXPECT_THROW(wait_forever(), cancelled);
        yield();
        event never;
        EXPECT_FALSE(never.wait_for(std::chrono::milliseconds(1)));
        return 5;
    });
    settle();
    t.cancel();
    EXPECT_EQ(t.get(), 5);
}

COIR_CONFORMS(cancelling, task_that_swallows_it_is_not_cancelled) {
    auto t = spawn([] {
        EXPECT_THROW(wait_forever(), cancelled);
        return 5;
    });
    settle();
    t.cancel();
    EXPECT_EQ(t.get(), 5);
    EXPECT_FALSE(t.cancelled());
    EXPECT_EQ(t.cancelling(), 1u);
}

COIR_CONFORMS(cancelling, task_that_turns_it_into_an_error_has_failed) {
    auto t = spawn([] {
        try {
            wait_forever();
        } catch (cancelled const&) {
            throw std::out_of_range("instead");
        }
    });
    settle();
    t.cancel();
    EXPECT_THROW(t.get(), std::out_of_range);
    EXPECT_FALSE(t.cancelled());
}

COIR_CONFORMS(cancelling, task_that_throws_it_by_itself_is_cancelled) {
    auto t = spawn([] { throw cancelled("own decision"); });
    EXPECT_EQ(end_of(t), "cancelled: own decision");
    EXPECT_TRUE(t.cancelled());
    EXPECT_EQ(t.cancelling(), 0u);
}

COIR_CONFORMS(cancelling, cancellation_and_a_result_that_has_arrived) {
    promise<int> p;
    int got = 0;
    auto t = spawn([&, f = p.get_future()]() mutable {
        got = f.get();
        wait_forever();  // the request waits for this
    });
    settle();
    p.set_value(7);
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_EQ(got, 7);
}

COIR_CONFORMS(cancelling, value_returned_with_a_request_pending) {
    auto t = spawn([] {
        current_task().cancel();
        return 7;
    });
    EXPECT_EQ(t.get(), 7);
    EXPECT_FALSE(t.cancelled());
}

COIR_CONFORMS(cancelling, exception_raised_with_a_request_pending_is_kept) {
    auto t = spawn([] {
        current_task().cancel();
        throw std::out_of_range("kept");
    });
    EXPECT_THROW(t.get(), std::out_of_range);
    EXPECT_FALSE(t.cancelled());
}

COIR_CONFORMS(cancelling, awaiting_a_cancelled_task_does_not_cancel_the_awaiter) {
    auto t = spawn(wait_forever);
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_EQ(current_task().cancelling(), 0u);
    EXPECT_NO_THROW(yield());
}

// --- the count ---------------------------------------------------------------------------------------------------------

COIR_CONFORMS(cancelling, uncancel_counts_down_to_zero_and_no_further) {
    auto t = spawn([] {
        auto const self = current_task();
        self.cancel();
        self.cancel();
        EXPECT_EQ(self.uncancel(), 1u);
        EXPECT_EQ(self.uncancel(), 0u);
        EXPECT_EQ(self.uncancel(), 0u);
        EXPECT_EQ(self.cancelling(), 0u);
    });
    t.get();
}

COIR_CONFORMS(cancelling, uncancel_to_zero_clears_what_was_not_delivered) {
    auto t = spawn([] {
        auto const self = current_task();
        self.cancel();
        self.uncancel();
        EXPECT_NO_THROW(yield());
    });
    t.get();
}

COIR_CONFORMS(cancelling, uncancel_above_zero_leaves_what_was_not_delivered) {
    auto t = spawn([] {
        auto const self = current_task();
        self.cancel();
        self.cancel();
        self.uncancel();
        EXPECT_THROW(yield(), cancelled);
    });
    t.get();
}

COIR_CONFORMS(cancelling, count_outlives_the_delivery) {
    auto t = spawn([] {
        EXPECT_THROW(wait_forever(), cancelled);
        EXPECT_EQ(current_task().cancelling(), 1u);
        EXPECT_EQ(current_task().uncancel(), 0u);
    });
    settle();
    t.cancel();
    t.get();
}

// --- the exception -----------------------------------------------------------------------------------------------------

COIR_CONFORMS(cancelling, it_is_no_ordinary_exception) {
    static_assert(!std::is_base_of_v<std::exception, cancelled>);
    std::atomic<bool> swallowed{false};
    auto t = spawn([&] {
        try {
            wait_forever();
        } catch (std::exception const&) {
            swallowed = true;
        }
    });
    settle();
    t.cancel();
    t.wait();
    EXPECT_TRUE(t.cancelled());
    EXPECT_FALSE(swallowed);
}

}  // namespace
}  // namespace coir
