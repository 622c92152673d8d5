// SPDX-License-Identifier: BSL-1.0
#include "tests/support/running.hpp"

#include <coir/core/base/config.hpp>
#include <coir/core/sched/explore.hpp>
#include <coir/core/task/as_completed.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/gather.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/task.hpp>
#include <coir/core/task/task_group.hpp>
#include <coir/core/task/task_ref.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/core/task/wait.hpp>
#include <coir/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;
using test::sleep_forever;
using test::yield_until;
using test::yield_until_waiting;

static_assert(!std::is_base_of_v<std::exception, cancelled>);

TEST(cancel, ends_a_waiting_task) {
    on_one_and_four_workers([] {
        auto t = spawn(sleep_forever);
        yield_until_waiting(t);
        EXPECT_FALSE(t.cancelled());
        EXPECT_TRUE(t.cancel());
        t.wait();
        EXPECT_TRUE(t.cancelled());
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_FALSE(t.cancel());
    });
}

TEST(cancel, is_thrown_at_the_next_suspension_point_of_a_running_task) {
    on_one_and_four_workers([] {
        auto t = spawn([] {
            EXPECT_TRUE(current_task().cancel());
            EXPECT_EQ(current_task().cancelling(), 1u);
            EXPECT_THROW(yield(), cancelled);
        });
        t.get();
        EXPECT_FALSE(t.cancelled());
    });
}

TEST(cancel, is_thrown_out_of_a_yield_in_progress) {
    run(runtime_options{.workers = 1}, [] {
        for (auto* const pause : {+[] { yield(); }, +[] { sleep(std::chrono::seconds(0)); }}) {
            bool began = false;
            auto t = spawn([&] {
                began = true;
                pause();
                ADD_FAILURE() << "cancelled meanwhile";
            });
            yield();
            EXPECT_TRUE(began);
            EXPECT_TRUE(t.cancel());
            t.wait();
            EXPECT_TRUE(t.cancelled());
        }
    });
}

TEST(cancel, task_that_was_not_started_never_runs) {
    run(runtime_options{.workers = 1}, [] {
        bool ran = false;
        auto watched = std::make_shared<int>(0);
        std::weak_ptr<int> const seen = watched;
        auto t = spawn([&ran, w = std::move(watched)] { ran = true; });
        EXPECT_TRUE(t.cancel("not needed"));
        try {
            t.get();
            ADD_FAILURE();
        } catch (cancelled const& c) {
            EXPECT_EQ(c.reason(), "not needed");
        }
        EXPECT_FALSE(ran);
        EXPECT_TRUE(t.cancelled());
        EXPECT_TRUE(seen.expired());
    });
}

TEST(cancel, carries_its_reason) {
    on_one_and_four_workers([] {
        auto t = spawn(sleep_forever);
        yield_until_waiting(t);
        t.cancel("closing time");
        try {
            t.get();
            ADD_FAILURE();
        } catch (cancelled const& c) {
            EXPECT_EQ(c.reason(), "closing time");
        }
    });
}

TEST(cancel, may_be_swallowed_and_the_task_goes_on) {
    on_one_and_four_workers([] {
        auto t = spawn([] {
            EXPECT_THROW(sleep_forever(), cancelled);
            yield();
            sleep(test::k_a_moment);
            return 5;
        });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_EQ(t.get(), 5);
        EXPECT_FALSE(t.cancelled());
    });
}

TEST(cancel, requests_that_were_not_delivered_coalesce) {
    run(runtime_options{.workers = 1}, [] {
        int thrown = 0;
        auto t = spawn([&] {
            for (int i = 0; i < 5; ++i) {
                try {
                    yield();
                    yield();
                } catch (cancelled const&) {
                    ++thrown;
                }
            }
        });
        yield();
        EXPECT_TRUE(t.cancel());
        EXPECT_TRUE(t.cancel());
        EXPECT_TRUE(t.cancel());
        EXPECT_EQ(t.cancelling(), 3u);
        t.wait();
        EXPECT_EQ(thrown, 1);
    });
}

TEST(cancel, second_request_after_delivery_is_thrown_again) {
    on_one_and_four_workers([] {
        std::atomic<int> thrown{0};
        auto t = spawn([&] {
            for (int i = 0; i < 2; ++i) {
                try {
                    sleep_forever();
                } catch (cancelled const&) {
                    thrown.fetch_add(1);
                }
            }
        });
        yield_until_waiting(t);
        t.cancel();
        yield_until([&] { return thrown == 1; });
        yield_until_waiting(t);
        t.cancel();
        t.get();
        EXPECT_EQ(thrown, 2);
        EXPECT_EQ(t.cancelling(), 2u);
    });
}

TEST(cancel, value_that_is_returned_with_a_request_pending_is_kept) {
    on_one_and_four_workers([] {
        auto t = spawn([] {
            current_task().cancel();
            return std::string("kept");
        });
        EXPECT_EQ(t.get(), "kept");
        EXPECT_FALSE(t.cancelled());
    });
}

TEST(cancel, exception_with_a_request_pending_is_kept) {
    on_one_and_four_workers([] {
        auto t = spawn([] {
            current_task().cancel();
            throw std::runtime_error("kept");
        });
        EXPECT_THROW(t.get(), std::runtime_error);
        EXPECT_FALSE(t.cancelled());
    });
}

TEST(cancel, result_that_had_arrived_is_returned_and_the_request_waits) {
    run(runtime_options{.workers = 1}, [] {
        promise<int> p;
        int got = 0;
        auto t = spawn([&, f = p.get_future()]() mutable {
            got = f.get();
            yield();
        });
        yield_until_waiting(t);
        p.set_value(7);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_EQ(got, 7);
    });
}

TEST(cancel, task_that_throws_cancelled_by_itself_is_cancelled) {
    on_one_and_four_workers([] {
        auto t = spawn([] { throw cancelled("own decision"); });
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(t.cancelled());
    });
}

TEST(cancel, uncancel_takes_requests_back) {
    on_one_and_four_workers([] {
        auto t = spawn([] {
            auto const self = current_task();
            self.cancel();
            self.cancel();
            EXPECT_EQ(self.uncancel(), 1u);
            EXPECT_EQ(self.uncancel(), 0u);
            EXPECT_EQ(self.uncancel(), 0u);
            EXPECT_EQ(self.cancelling(), 0u);
            EXPECT_NO_THROW(yield());
        });
        t.get();
    });
}

TEST(cancel, uncancel_above_zero_leaves_the_request) {
    on_one_and_four_workers([] {
        auto t = spawn([] {
            auto const self = current_task();
            self.cancel();
            self.cancel();
            self.uncancel();
            EXPECT_THROW(yield(), cancelled);
        });
        t.get();
    });
}

TEST(cancel, get_passes_the_request_on_to_the_awaited_task) {
    on_one_and_four_workers([] {
        auto inner = spawn(sleep_forever);
        auto outer = spawn([&] { inner.get(); });
        yield_until_waiting(inner);
        yield_until_waiting(outer);
        outer.cancel("from above");
        EXPECT_THROW(outer.get(), cancelled);
        EXPECT_TRUE(inner.cancelled());
        try {
            inner.get();
        } catch (cancelled const& c) {
            EXPECT_EQ(c.reason(), "from above");
        }
    });
}

TEST(cancel, get_waits_for_the_end_of_the_task_that_it_has_cancelled) {
    on_one_and_four_workers([] {
        bool cleaned_up = false;
        auto inner = spawn([&] {
            try {
                sleep_forever();
            } catch (cancelled const&) {
                yield();
                yield();
                cleaned_up = true;
                throw;
            }
        });
        auto outer = spawn([&] {
            EXPECT_THROW(inner.get(), cancelled);
            EXPECT_TRUE(cleaned_up);
        });
        yield_until_waiting(inner);
        yield_until_waiting(outer);
        outer.cancel();
        outer.get();
    });
}

TEST(cancel, awaited_task_that_swallows_it_gives_its_value) {
    on_one_and_four_workers([] {
        auto inner = spawn([] {
            EXPECT_THROW(sleep_forever(), cancelled);
            return 3;
        });
        auto outer = spawn([&] { return inner.get(); });
        yield_until_waiting(inner);
        yield_until_waiting(outer);
        outer.cancel();
        EXPECT_EQ(outer.get(), 3);
        EXPECT_FALSE(outer.cancelled());
    });
}

TEST(cancel, get_of_a_future_cancels_the_future) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto f = p.get_future();
        auto t = spawn([&] { f.get(); });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(p.cancelled());
        EXPECT_FALSE(p.try_set_value(1));
    });
}

TEST(cancel, wait_leaves_the_awaited_task_alone) {
    on_one_and_four_workers([] {
        promise<void> go;
        auto inner = spawn([f = go.get_future()]() mutable { f.get(); });
        for (bool const limited : {false, true}) {
            auto outer = spawn([&] {
                if (limited) {
                    inner.wait_for(test::k_long_time);
                } else {
                    inner.wait();
                }
            });
            yield_until_waiting(outer);
            outer.cancel();
            EXPECT_THROW(outer.get(), cancelled);
            EXPECT_EQ(inner.cancelling(), 0u);
            EXPECT_FALSE(inner.done());
        }
        go.set_value();
        inner.get();
    });
}

TEST(cancel, wait_leaves_the_awaited_future_alone) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto f = p.get_future();
        auto t = spawn([&] { f.wait(); });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(p.try_set_value(1));
    });
}

TEST(cancel, awaiting_a_cancelled_task_throws) {
    on_one_and_four_workers([] {
        auto t = spawn(sleep_forever);
        t.cancel();
        t.wait();
        for (int i = 0; i < 2; ++i) {
            EXPECT_THROW(t.get(), cancelled);
        }
        EXPECT_EQ(current_task().cancelling(), 0u);
        EXPECT_NO_THROW(yield());
    });
}

TEST(cancel, task_that_awaits_itself_among_others_throws_invalid_state) {
    on_one_and_four_workers([] {
        event named;
        std::vector<task<void>> all;
        all.push_back(spawn([&] {
            named.wait();
            EXPECT_THROW(gather(all), invalid_state);
            EXPECT_THROW(gather_settled(all), invalid_state);
            EXPECT_THROW(gather(all[0], sleep_forever), invalid_state);
            EXPECT_THROW(wait(all), invalid_state);
            EXPECT_THROW(as_completed(all), invalid_state);
        }));
        named.set();
        all[0].get();
    });
}

TEST(cancel, task_that_awaits_itself_throws_invalid_state) {
    on_one_and_four_workers([] {
        task<void> self;
        promise<void> stored;
        self = spawn([&, f = stored.get_future()]() mutable {
            f.get();
            EXPECT_THROW(self.get(), invalid_state);
            EXPECT_THROW(self.wait(), invalid_state);
            EXPECT_THROW(self.wait_for(std::chrono::seconds(1)), invalid_state);
        });
        stored.set_value();
        while (!self.done()) {
            yield();
        }
        self.get();
    });
}

TEST(cancel, shield_holds_it_back_until_the_shield_ends) {
    on_one_and_four_workers([] {
        std::atomic<bool> shielded{false};
        std::atomic<bool> go{false};
        auto t = spawn([&] {
            {
                cancel_shield const outer;
                cancel_shield const inner;
                shielded = true;
                yield_until([&] { return go.load(); });
                EXPECT_NO_THROW(sleep(test::k_a_moment));
            }
            EXPECT_THROW(yield(), cancelled);
        });
        yield_until([&] { return shielded.load(); });
        t.cancel();
        go = true;
        t.get();
    });
}

TEST(cancel, any_number_of_shields_holds_it_back) {
    on_one_and_four_workers([] {
        std::atomic<bool> shielded{false};
        std::size_t held_back = 0;
        auto t = spawn([&] {
            std::deque<cancel_shield> shields;
            for (std::size_t n = 0; n < 140'000; ++n) {
                shields.emplace_back();
            }
            shielded = true;
            yield_until([] { return current_task().cancelling() != 0; });
            for (; shields.size() > 1; shields.pop_back()) {
                if (shields.size() % 10'000 == 0 || shields.size() % 65'536 < 2) {
                    yield();
                    ++held_back;
                }
            }
            shields.clear();
            yield();
        });
        yield_until([&] { return shielded.load(); });
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_EQ(held_back, 18u);
    });
}

TEST(cancel, shielded_get_neither_throws_nor_passes_it_on) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto inner = spawn([f = p.get_future()]() mutable { return f.get(); });
        auto outer = spawn([&] {
            cancel_shield const shield;
            return inner.get();
        });
        yield_until_waiting(outer);
        yield_until_waiting(inner);
        outer.cancel();
        EXPECT_EQ(inner.cancelling(), 0u);
        p.set_value(4);
        EXPECT_EQ(outer.get(), 4);
    });
}

TEST(cancel, shield_outside_of_a_task_does_nothing) {
    cancel_shield const shield;
}

struct waits_when_it_dies {
    explicit waits_when_it_dies(bool& ended) : ended_(ended) {}
    ~waits_when_it_dies() {
        yield();
        sleep(test::k_a_moment);
        ended_ = true;
    }
    bool& ended_;
};

TEST(cancel, is_not_thrown_while_the_stack_unwinds) {
    on_one_and_four_workers([] {
        bool ended = false;
        auto t = spawn([&] {
            waits_when_it_dies const waits(ended);
            current_task().cancel();
            throw std::runtime_error("unwinds");
        });
        EXPECT_THROW(t.get(), std::runtime_error);
        EXPECT_TRUE(ended);
    });
}

TEST(cancel, long_chain_of_awaiting_tasks_is_cancelled_from_its_end) {
    on_one_and_four_workers([] {
        constexpr std::size_t k_length = COIR_TSAN ? 1'000 : 10'000;  // each is a thread to TSan, which stops at 8,128
        std::deque<task<void>> chain;
        chain.push_back(spawn(sleep_forever));
        while (chain.size() < k_length) {
            auto& previous = chain.back();
            yield_until_waiting(previous);
            chain.push_back(spawn([&previous] { previous.get(); }));
        }
        yield_until_waiting(chain.back());
        EXPECT_TRUE(chain.back().cancel("all of you"));
        EXPECT_THROW(chain.back().get(), cancelled);
        for (auto& t : chain) {
            EXPECT_TRUE(t.cancelled());
        }
    });
}

TEST(cancel, reason_is_that_of_the_last_request) {
    on_one_and_four_workers([] {
        std::vector<std::string> reasons;
        std::atomic<int> waits{0};
        auto t = spawn([&] {
            EXPECT_THROW(with_timeout(std::chrono::microseconds(100), sleep_forever), timeout_error);
            for (int i = 0; i < 2; ++i) {
                try {
                    waits.fetch_add(1);
                    sleep_forever();
                } catch (cancelled const& c) {
                    reasons.push_back(c.reason());
                }
            }
        });
        for (int i = 1; i <= 2; ++i) {
            yield_until([&] { return waits == i; });
            yield_until_waiting(t);
            t.cancel(i == 1 ? "first" : "");
        }
        t.wait();
        EXPECT_EQ(reasons, (std::vector<std::string>{"first", ""}));
    });
}

// Tasks that await each other in a circle: member i calls awaits[i] with the next. None runs on another one's stack.
class circle {
public:
    using await = void (*)(task<void>& next);

    explicit circle(std::vector<await> awaits) : members_(awaits.size()) {
        for (std::size_t i = 0; i < members_.size(); ++i) {
            members_[i] = spawn([this, i, wait = awaits[i]] {
                started_.fetch_add(1);
                yield_until([&] { return closed_.load(); });
                wait(members_[(i + 1) % members_.size()]);
            });
        }
        yield_until([&] { return started_ == members_.size(); });
        closed_ = true;
        yield();
        testing::wait_all_blocked();
    }

    task<void>& operator[](std::size_t i) { return members_[i]; }
    void expect_all_cancelled() {
        for (auto& member : members_) {
            member.wait();
            EXPECT_TRUE(member.cancelled());
        }
    }

    // Ways to await.
    static void by_get(task<void>& next) { next.get(); }
    static void by_gather(task<void>& next) { gather(next); }
    static void by_gather_settled(task<void>& next) { gather_settled(next); }
    static void by_wait_for(task<void>& next) { wait_for(next, std::chrono::hours(1)); }
    static void by_child_of_gather(task<void>& next) {
        gather([&next] { next.get(); }, sleep_forever);
    }
    static void by_child_of_group(task<void>& next) {
        scope([&next](task_group& group) {
            group.spawn(sleep_forever);
            group.spawn([&next] { gather(next); });
        });
    }
    static void by_child_of_dying_group(task<void>& next) {
        task_group group;
        group.spawn([&next] { next.get(); });
        sleep_forever();
    }

private:
    std::vector<task<void>> members_;
    std::atomic<std::size_t> started_{0};
    std::atomic<bool> closed_{false};
};

std::vector<std::vector<circle::await>> circles() {
    using c = circle;
    return {{c::by_get, c::by_get},
            {c::by_gather, c::by_gather},
            {c::by_gather_settled, c::by_gather_settled},
            {c::by_gather, c::by_get},
            {c::by_get, c::by_gather, c::by_wait_for},
            {c::by_gather, c::by_child_of_gather, c::by_gather_settled},
            {c::by_child_of_gather, c::by_get},
            {c::by_child_of_gather, c::by_child_of_group, c::by_child_of_dying_group},
            {c::by_child_of_gather},
            {c::by_child_of_group},
            {c::by_child_of_dying_group}};
}

TEST(cancel, circle_of_awaiting_tasks_ends_when_one_is_cancelled) {
    on_one_and_four_workers([] {
        for (auto const& awaits : circles()) {
            for (std::size_t first = 0; first < awaits.size(); ++first) {
                circle members(awaits);
                members[first].cancel();
                members.expect_all_cancelled();
            }
        }
    });
}

TEST(cancel, circle_of_awaiting_tasks_ends_when_all_are_cancelled_at_once) {
    on_one_and_four_workers([] {
        for (auto const& awaits : circles()) {
            circle members(awaits);
            for (std::size_t i = 0; i < awaits.size(); ++i) {
                members[i].cancel();
            }
            members.expect_all_cancelled();
        }
    });
}

TEST(cancel, circle_of_awaiting_tasks_is_ended_by_the_shutdown) {
    for (unsigned const workers : {1u, 4u}) {
        for (auto const& awaits : circles()) {
            std::unique_ptr<circle> members;
            run(runtime_options{.workers = workers}, [&] { members = std::make_unique<circle>(awaits); });
            members->expect_all_cancelled();
        }
    }
}

TEST(cancel, circle_that_a_cancelled_task_closes_ends) {
    on_one_and_four_workers([] {
        task<void> a;
        task<void> b;
        event made;
        event closed;
        a = spawn([&] {
            closed.wait();
            b.get();
        });
        b = spawn([&] {
            made.wait();
            closed.set();
            yield_until_waiting(a);
            current_task().cancel();
            a.get();
        });
        made.set();
        a.wait();
        b.wait();
        EXPECT_TRUE(a.cancelled());
        EXPECT_TRUE(b.cancelled());
    });
}

// The one below has no wait that could be interrupted, so it is not to be chosen. But where another worker was faster
// the upper one runs on its own, the lower one may be chosen, and then it ends first.
TEST(cancel, circle_with_a_task_that_runs_in_the_place_of_another_ends) {
    on_one_and_four_workers([] {
        for (bool const cancel_the_upper : {false, true}) {
            task<void> lower;
            task<void> upper;
            event made;
            lower = spawn([&] {
                made.wait();
                upper = spawn([&] { lower.get(); });
                upper.get();
            });
            made.set();
            yield_until_waiting(lower);
            testing::wait_all_blocked();
            (cancel_the_upper ? upper : lower).cancel();
            lower.wait();
            upper.wait();
            EXPECT_TRUE(lower.cancelled());
            EXPECT_TRUE(upper.cancelled());
        }
    });
}

// A future that gets its result when somebody is about to cancel it.
class late_result final : public detail::future_state<int> {
public:
    explicit late_result(std::function<void()> after_it) : future_state(1), after_it_(std::move(after_it)) {}

    bool request_cancel(detail::cancel_reason /*reason*/) noexcept override {
        try_set_value(7);
        after_it_();
        return false;
    }

private:
    std::function<void()> const after_it_;
};

// The last of a chain of tasks awaits a future, and when the cancellation of the first one gets there all have gone on.
TEST(cancel, reaches_who_has_meanwhile_gone_on_to_another_wait) {
    for (std::size_t const length : {1U, 2U, 3U}) {
        run(runtime_options{.workers = 4}, [length] {
            event never;
            std::atomic<bool> has_gone_on{false};
            std::vector<task<int>> chain(length);
            auto const wait_for_first = [&] {
                while (!has_gone_on || !test::is_waiting(chain.back())) {
                    std::this_thread::yield();
                }
            };
            future<int> late(detail::state_ptr<detail::future_state<int>>::adopt(new late_result(wait_for_first)));
            for (std::size_t i = 0; i < length; ++i) {
                chain[i] = spawn([&, i] {
                    int const value = i == 0 ? late.get() : chain[i - 1].get();
                    if (i == length - 1) {
                        has_gone_on = true;
                        never.wait();
                    }
                    return value;
                });
                yield_until_waiting(chain[i]);
            }
            std::thread canceller([&] { EXPECT_TRUE(chain.back().cancel()); });
            EXPECT_THROW(chain.back().get(), cancelled);
            EXPECT_EQ(current_task().cancelling(), 0u);  // nor did the end of a deadlock do it
            canceller.join();
        });
    }
}

// A task that is awaited has its value already when the cancellation of the others gets there, and ends with it.
TEST(cancel, that_what_is_awaited_need_not_notice_any_more_is_thrown_in_the_awaiter) {
    for (std::size_t const length : {2U, 3U}) {
        for (bool const awaits_after_its_cancellation : {false, true}) {
            run(runtime_options{.workers = 4}, [length, awaits_after_its_cancellation] {
                event never;
                event may_await;
                std::atomic<bool> has_value{false};
                std::atomic<bool> may_end{false};
                std::vector<task<int>> chain(length);
                auto const wait_for_value = [&] {
                    while (!has_value) {
                        std::this_thread::yield();
                    }
                };
                future<int> late(detail::state_ptr<detail::future_state<int>>::adopt(new late_result(wait_for_value)));
                for (std::size_t i = 0; i < length; ++i) {
                    chain[i] = spawn([&, i] {
                        if (i == 0) {
                            int const value = late.get();
                            has_value = true;
                            while (!may_end) {
                                std::this_thread::yield();
                            }
                            return value;
                        }
                        if (i == length - 1 && awaits_after_its_cancellation) {
                            cancel_shield const shield;
                            may_await.wait();
                        }
                        int const value = chain[i - 1].get();
                        if (i == length - 1) {
                            EXPECT_EQ(value, 7);
                            never.wait();
                        }
                        return value;
                    });
                    yield_until_waiting(chain[i]);
                }
                std::thread canceller([&] {
                    EXPECT_TRUE(chain.back().cancel());
                    may_await.set();
                    if (awaits_after_its_cancellation) {
                        wait_for_value();
                    }
                    may_end = true;
                });
                EXPECT_THROW(chain.back().get(), cancelled);
                EXPECT_EQ(current_task().cancelling(), 0u);
                canceller.join();
            });
        }
    }
}

TEST(cancel, shutdown_throws_at_every_suspension_point) {
    for (unsigned const workers : {1u, 4u}) {
        std::atomic<int> thrown{0};
        run(runtime_options{.workers = workers}, [&] {
            auto stubborn = spawn([&] {
                for (int i = 0; i < 3; ++i) {
                    try {
                        sleep_forever();
                    } catch (cancelled const&) {
                        thrown.fetch_add(1);
                    }
                }
            });
            yield_until_waiting(stubborn);
        });
        EXPECT_EQ(thrown, 3);
    }
}

TEST(cancel, from_a_plain_thread_ends_a_plain_wait) {
    on_one_and_four_workers([] {
        auto t = spawn(sleep_forever);
        std::thread([&] { EXPECT_TRUE(t.cancel()); }).join();
        EXPECT_THROW(t.get(), cancelled);
    });
}

}  // namespace
}  // namespace coir
