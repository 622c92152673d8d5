// SPDX-License-Identifier: BSL-1.0
//
// TaskGroup: scope() and task_group.

#include "tests/conformance/support.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace coir {
namespace {

using test::settle;
using test::wait_forever;

// What the exceptions of a group say, sorted.
std::vector<std::string> messages_of(exception_group const& group) {
    std::vector<std::string> messages;
    for (auto const& e : group.exceptions()) {
        messages.push_back(test::message_of(e));
    }
    std::ranges::sort(messages);
    return messages;
}

// Under no setting: there is no runtime.
TEST(groups, group_needs_a_task) {
    EXPECT_THROW(scope([](task_group&) {}), no_running_runtime);
}

COIR_CONFORMS(groups, group_waits_for_its_children) {
    event go;
    std::atomic<int> ended{0};
    auto t = spawn([&] {
        scope([&](task_group& group) {
            for (int i = 0; i < 3; ++i) {
                group.spawn([&] {
                    go.wait();
                    ended.fetch_add(1);
                });
            }
        });
        return ended.load();
    });
    settle();
    EXPECT_FALSE(t.done());
    go.set();
    EXPECT_EQ(t.get(), 3);
}

COIR_CONFORMS(groups, children_are_tasks_with_names_and_results) {
    scope([](task_group& group) {
        auto child = group.spawn(
            {.name = "child"}, [](int x) { return current_task().name() + std::to_string(x); }, 1);
        EXPECT_EQ(child.name(), "child");
        EXPECT_EQ(child.get(), "child1");
    });
}

COIR_CONFORMS(groups, children_may_start_eagerly) {
    scope([](task_group& group) {
        bool ran = false;
        auto child = group.spawn({.eager = true}, [&] { ran = true; });
        EXPECT_TRUE(ran);
        EXPECT_TRUE(child.done());
    });
}

COIR_CONFORMS(groups, children_may_add_siblings_while_the_group_ends) {
    event body_is_over;
    std::atomic<bool> sibling_ran{false};
    scope([&](task_group& group) {
        group.spawn([&] {
            body_is_over.wait();
            settle();
            group.spawn([&] { sibling_ran = true; });
        });
        settle();
        body_is_over.set();
    });
    EXPECT_TRUE(sibling_ran);
}

COIR_CONFORMS(groups, group_that_is_over_takes_no_new_children) {
    task_group group;
    group.cancel();
    std::atomic<bool> ran{false};
    auto child = group.spawn([&] { ran = true; });
    EXPECT_THROW(child.get(), cancelled);
    EXPECT_FALSE(ran);
    group.wait();
}

COIR_CONFORMS(groups, group_that_has_failed_takes_no_new_children) {
    std::atomic<bool> ran{false};
    EXPECT_THROW(scope([&](task_group& group) {
                     group.spawn([] { throw std::out_of_range("child"); });
                     try {
                         wait_forever();
                     } catch (cancelled const&) {
                         auto late = group.spawn([&] { ran = true; });
                         EXPECT_THROW(late.get(), cancelled);
                     }
                 }),
                 std::out_of_range);
    EXPECT_FALSE(ran);
}

COIR_CONFORMS(groups, use_of_a_group_after_its_end) {
    task_group group;
    group.spawn([] { throw std::out_of_range("first"); });
    EXPECT_THROW(group.wait(), std::out_of_range);
    auto again = group.spawn([] { return 5; });
    EXPECT_NO_THROW(group.wait());
    EXPECT_EQ(again.get(), 5);
}

// --- failures ----------------------------------------------------------------------------------------------------------

COIR_CONFORMS(groups, first_failure_cancels_the_siblings) {
    task<void> sibling;
    EXPECT_THROW(scope([&](task_group& group) {
                     sibling = group.spawn(wait_forever);
                     settle();
                     group.spawn([] { throw std::out_of_range("child"); });
                 }),
                 std::out_of_range);
    EXPECT_TRUE(sibling.cancelled());
}

COIR_CONFORMS(groups, first_failure_interrupts_the_body) {
    bool interrupted = false;
    EXPECT_THROW(scope([&](task_group& group) {
                     group.spawn([] { throw std::out_of_range("child"); });
                     try {
                         wait_forever();
                     } catch (cancelled const&) {
                         interrupted = true;
                         throw;
                     }
                 }),
                 std::out_of_range);
    EXPECT_TRUE(interrupted);
}

COIR_CONFORMS(groups, parent_is_not_cancelled_afterwards) {
    EXPECT_THROW(scope([&](task_group& group) {
                     group.spawn([] { throw std::out_of_range("child"); });
                     wait_forever();
                 }),
                 std::out_of_range);
    EXPECT_EQ(current_task().cancelling(), 0u);
    EXPECT_NO_THROW(yield());
}

COIR_CONFORMS(groups, body_that_was_not_interrupted_leaves_no_request_behind) {
    EXPECT_THROW(scope([&](task_group& group) {
                     cancel_shield const shield;
                     auto child = group.spawn([] { throw std::out_of_range("child"); });
                     child.wait();
                 }),
                 std::out_of_range);
    EXPECT_EQ(current_task().cancelling(), 0u);
    EXPECT_NO_THROW(yield());
}

COIR_CONFORMS(groups, failed_group_waits_for_all_its_children) {
    event has_started;
    event is_cleaning_up;
    event let_go;
    std::atomic<bool> cleaned_up{false};
    auto t = spawn([&] {
        scope([&](task_group& group) {
            group.spawn([&] {
                has_started.set();
                try {
                    wait_forever();
                } catch (cancelled const&) {
                    is_cleaning_up.set();
                    let_go.wait();
                    cleaned_up = true;
                    throw;
                }
            });
            group.spawn([&] {
                has_started.wait();
                throw std::out_of_range("child");
            });
        });
    });
    is_cleaning_up.wait();
    settle();
    EXPECT_FALSE(t.done());
    let_go.set();
    EXPECT_THROW(t.get(), std::out_of_range);
    EXPECT_TRUE(cleaned_up);
}

COIR_CONFORMS(groups, cancelled_child_is_no_failure) {
    event go;
    scope([&](task_group& group) {
        auto child = group.spawn(wait_forever);
        auto sibling = group.spawn([&] {
            go.wait();
            return 5;
        });
        settle();
        child.cancel();
        settle();
        EXPECT_TRUE(child.cancelled());
        EXPECT_EQ(sibling.cancelling(), 0u);
        EXPECT_NO_THROW(yield());
        go.set();
        EXPECT_EQ(sibling.get(), 5);
    });
    EXPECT_EQ(current_task().cancelling(), 0u);
}

COIR_CONFORMS(groups, failure_of_the_body_cancels_the_children) {
    task<void> child;
    EXPECT_THROW(scope([&](task_group& group) {
                     child = group.spawn(wait_forever);
                     settle();
                     throw std::out_of_range("body");
                 }),
                 std::out_of_range);
    EXPECT_TRUE(child.cancelled());
}

COIR_CONFORMS(groups, failures_come_together) {
    try {
        latch all_are_there(2);
        scope([&](task_group& group) {
            for (char const* const name : {"one", "two"}) {
                group.spawn([&, name] {
                    cancel_shield const shield;
                    all_are_there.arrive_and_wait();
                    throw std::runtime_error(name);
                });
            }
        });
        ADD_FAILURE();
    } catch (exception_group const& group) {
        EXPECT_EQ(messages_of(group), (std::vector<std::string>{"one", "two"}));
    }
}

COIR_CONFORMS(groups, failure_of_the_body_is_among_them) {
    try {
        scope([&](task_group& group) {
            group.spawn([] {
                try {
                    wait_forever();
                } catch (cancelled const&) {
                    throw std::runtime_error("child");
                }
            });
            settle();
            throw std::runtime_error("body");
        });
        ADD_FAILURE();
    } catch (exception_group const& group) {
        EXPECT_EQ(messages_of(group), (std::vector<std::string>{"body", "child"}));
    }
}

COIR_CONFORMS(groups, single_failure) {
    EXPECT_THROW(scope([](task_group& group) { group.spawn([] { throw std::out_of_range("alone"); }); }),
                 std::out_of_range);
}

COIR_CONFORMS(groups, failure_of_an_eager_child_counts) {
    task<void> sibling;
    EXPECT_THROW(scope([&](task_group& group) {
                     sibling = group.spawn(wait_forever);
                     settle();
                     auto eager = group.spawn({.eager = true}, [] { throw std::out_of_range("eager"); });
                     EXPECT_TRUE(eager.done());
                     wait_forever();
                 }),
                 std::out_of_range);
    EXPECT_TRUE(sibling.cancelled());
}

// --- cancellation ------------------------------------------------------------------------------------------------------

COIR_CONFORMS(groups, cancellation_from_outside_cancels_the_children_and_is_raised) {
    task<void> child;
    auto t = spawn([&] {
        scope([&](task_group& group) {
            child = group.spawn(wait_forever);
            wait_forever();
        });
    });
    settle();
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(child.cancelled());
}

COIR_CONFORMS(groups, cancellation_while_the_group_ends_cancels_the_children) {
    task<void> child;
    auto t = spawn([&] { scope([&](task_group& group) { child = group.spawn(wait_forever); }); });
    settle();
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(child.cancelled());
}

COIR_CONFORMS(groups, failures_come_before_a_cancellation_from_outside) {
    bool delivered_later = false;
    auto t = spawn([&] {
        EXPECT_THROW(scope([&](task_group& group) {
                         group.spawn([] {
                             try {
                                 wait_forever();
                             } catch (cancelled const&) {
                                 throw std::out_of_range("child");
                             }
                         });
                         wait_forever();
                     }),
                     std::out_of_range);
        EXPECT_EQ(current_task().cancelling(), 1u);
        try {
            yield();
        } catch (cancelled const&) {
            delivered_later = true;
            throw;
        }
    });
    settle();
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(delivered_later);
}

COIR_CONFORMS(groups, inner_group_does_not_swallow_the_cancellation_by_the_outer_one) {
    bool inner_failed = false;
    bool went_on = false;
    try {
        scope([&](task_group& outer) {
            outer.spawn([&] {
                try {
                    scope([&](task_group& inner) {
                        inner.spawn([] {
                            try {
                                wait_forever();
                            } catch (cancelled const&) {
                                throw std::runtime_error("inner");
                            }
                        });
                        wait_forever();
                    });
                } catch (std::runtime_error const&) {
                    inner_failed = true;
                }
                yield();  // the outer group's request is thrown here
                went_on = true;
            });
            settle();
            throw std::out_of_range("outer");
        });
        ADD_FAILURE();
    } catch (std::out_of_range const&) {
    }
    EXPECT_TRUE(inner_failed);
    EXPECT_FALSE(went_on);
}

COIR_CONFORMS(groups, inner_group_fails_alone) {
    event go;
    scope([&](task_group& outer) {
        auto sibling = outer.spawn([&] {
            go.wait();
            return 5;
        });
        EXPECT_THROW(scope([](task_group& inner) {
                         inner.spawn([] { throw std::out_of_range("inner"); });
                         wait_forever();
                     }),
                     std::out_of_range);
        settle();
        EXPECT_EQ(sibling.cancelling(), 0u);
        EXPECT_NO_THROW(yield());
        go.set();
        EXPECT_EQ(sibling.get(), 5);
    });
}

COIR_CONFORMS(groups, repeated_cancellations_do_not_hurry_the_end) {
    event let_go;
    task<void> child;
    auto t = spawn([&] {
        scope([&](task_group& group) {
            child = group.spawn([&] {
                cancel_shield const shield;
                let_go.wait();
            });
        });
    });
    settle();
    for (int i = 0; i < 3; ++i) {
        t.cancel();
        settle();
        EXPECT_FALSE(t.done());
    }
    let_go.set();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(child.done());
}

COIR_CONFORMS(groups, group_can_be_cancelled) {
    task<void> child;
    int const result = scope([&](task_group& group) {
        child = group.spawn(wait_forever);
        settle();
        group.cancel();
        return 5;
    });
    EXPECT_EQ(result, 5);
    EXPECT_TRUE(child.cancelled());
    EXPECT_EQ(current_task().cancelling(), 0u);
}

COIR_CONFORMS(groups, timeout_around_a_group_is_a_timeout) {
    task<void> child;
    EXPECT_THROW(with_timeout(std::chrono::milliseconds(1),
                              [&] { scope([&](task_group& group) { child = group.spawn(wait_forever); }); }),
                 timeout_error);
    EXPECT_TRUE(child.cancelled());
}

}  // namespace
}  // namespace coir
