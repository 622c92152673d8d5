// SPDX-License-Identifier: BSL-1.0
//
// A task that keeps its worker: what that worker owed to others is done, and the task is reported.

#include "core/io/descriptor.hpp"
#include "core/task/suspend_task.hpp"

#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coir {
namespace {

using namespace std::chrono_literals;

// When a test gives up: a hang, not a measure.
constexpr auto k_hung = 30s;

// Keeps the worker until `condition()` holds. False if that took too long.
template <class Condition>
COIR_NOINLINE bool compute_until(Condition const& condition) {
    for (auto const give_up = std::chrono::steady_clock::now() + k_hung; !condition();) {
        if (std::chrono::steady_clock::now() > give_up) {
            return false;
        }
    }
    return true;
}

// Two tasks that run at the same time on the two workers of a runtime; `f` runs on the one on which `wanted` is true.
template <class Wanted, class F>
void run_on_the_worker_where(Wanted const& wanted, F const& f) {
    std::atomic<int> here{0};
    auto const both = [&] {
        here.fetch_add(1);
        ASSERT_TRUE(compute_until([&] { return here == 2; }));
        if (wanted()) {
            f();
        }
    };
    auto first = spawn(both);
    auto second = spawn(both);
    first.wait();
    second.wait();
    first.get();
    second.get();
}

TEST(kept_worker, timers_of_its_worker_fire_all_the_same) {
    run(runtime_options{.workers = 2, .stall_threshold = 0ns}, [] {
        std::atomic<bool> woken{false};
        std::thread::id thread_of_sleeper;
        std::atomic<bool> about_to_sleep{false};
        auto sleeper = spawn([&] {
            thread_of_sleeper = std::this_thread::get_id();
            about_to_sleep = true;
            sleep(5ms);
            woken = true;
        });
        test::yield_until([&] { return about_to_sleep.load(); });
        run_on_the_worker_where([&] { return std::this_thread::get_id() == thread_of_sleeper; },
                                [&] { EXPECT_TRUE(compute_until([&] { return woken.load(); })); });
        sleeper.get();
        EXPECT_TRUE(woken);
    });
}

TEST(kept_worker, descriptors_of_its_worker_are_served_at_once_all_the_same) {
    constexpr int k_bytes = 50;
    run(runtime_options{.workers = 2, .stall_threshold = 0ns}, [] {
        int ends[2];
        ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        auto& slot = detail::fd_slot::open(ends[0]);
        std::thread::id thread_of_reader;
        std::atomic<bool> about_to_read{false};
        std::atomic<int> has_read{0};
        auto reader = spawn([&] {
            thread_of_reader = std::this_thread::get_id();
            about_to_read = true;
            for (char byte = 0; has_read < k_bytes; ++has_read) {
                ASSERT_TRUE(slot.enter());
                auto const outcome =
                    detail::perform(slot, detail::io_direction::read, detail::k_never, [&byte](int fd) {
                        return detail::errno_of(&::read, fd, static_cast<void*>(&byte), std::size_t{1});
                    });
                slot.exit();
                EXPECT_EQ(outcome.value, 1);
            }
        });
        test::yield_until([&] { return about_to_read.load(); });
        test::yield_until_waiting(reader);
        run_on_the_worker_where([&] { return std::this_thread::get_id() == thread_of_reader; },
                                [&] {
                                    // As long as it takes with one event for each tick of the monitor, which finds this worker kept meanwhile.
                                    auto const begin = std::chrono::steady_clock::now();
                                    for (int i = 0; i < k_bytes; ++i) {
                                        std::this_thread::sleep_for(10ms);
                                    }
                                    auto const end = std::chrono::steady_clock::now();
                                    for (int i = 0; i < k_bytes; ++i) {
                                        EXPECT_EQ(::write(ends[1], "x", 1), 1);
                                        EXPECT_TRUE(compute_until([&] { return has_read == i + 1; }));
                                    }
                                    EXPECT_LT(std::chrono::steady_clock::now() - end, (end - begin) / 2);
                                });
        reader.get();
        slot.close();
        ::close(ends[1]);
    });
}

TEST(kept_worker, tasks_that_it_has_spawned_run_elsewhere) {
    run(runtime_options{.workers = 2, .stall_threshold = 0ns}, [] {
        for (int round = 0; round < 20; ++round) {
            std::atomic<int> ran{0};
            std::vector<task<void>> children;
            for (int i = 0; i < 50; ++i) {
                children.push_back(spawn([&ran] {
                    yield();
                    ran.fetch_add(1);
                }));
            }
            EXPECT_TRUE(compute_until([&] { return ran == 50; }));
            for (auto& child : children) {
                child.get();
            }
            EXPECT_EQ(ran, 50);  // the worker is back, and has run none of them again
        }
    });
}

TEST(kept_worker, time_limit_of_another_task_holds_on_a_single_worker) {
    run(runtime_options{.workers = 1, .stall_threshold = 0ns}, [] {
        // The callback of the time-out is the timer's, not the worker's: it is seen while the worker is still kept.
        bool waited_when_the_worker_was_kept = false;
        for (auto limit = 5ms; !waited_when_the_worker_was_kept; limit *= 2) {  // a busy machine may come too late
            auto limited = spawn([limit] { with_timeout(limit, [] { test::sleep_forever(); }); });
            yield();
            waited_when_the_worker_was_kept = limited.ref().cancelling() == 0 && !limited.done();
            EXPECT_TRUE(compute_until([&] { return limited.ref().cancelling() > 0 || limited.done(); }));
            EXPECT_THROW(limited.get(), timeout_error);
        }
    });
}

// Standard error as a pipe, while it lives.
class captured_errors {
public:
    captured_errors() {
        EXPECT_EQ(::pipe2(ends_, O_NONBLOCK | O_CLOEXEC), 0);
        saved_ = ::dup(2);
        ::dup2(ends_[1], 2);
    }
    captured_errors(captured_errors const&) = delete;
    captured_errors& operator=(captured_errors const&) = delete;
    ~captured_errors() {
        ::dup2(saved_, 2);
        ::close(saved_);
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    std::string const& text() {
        char buffer[4096];
        for (ssize_t size = 0; (size = ::read(ends_[0], buffer, sizeof buffer)) > 0;) {
            text_.append(buffer, static_cast<std::size_t>(size));
        }
        return text_;
    }

private:
    int ends_[2] = {-1, -1};
    int saved_ = -1;
    std::string text_;
};

std::size_t count_of(std::string_view text, std::string_view what) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; at += what.size()) {
        ++count;
    }
    return count;
}

// The first report of the task that has been written to its end; empty if there is none.
std::string_view report_of(std::string const& name, std::string_view errors) {
    auto const begin = errors.find("'" + name + "' has kept worker 0");
    auto const end = begin == std::string_view::npos ? begin : errors.find('\n', begin);
    return end == std::string_view::npos ? std::string_view() : errors.substr(begin, end - begin);
}

// Computing for the most part, and not inside the system.
bool compute_until_reported(captured_errors& errors, std::string const& name) {
    unsigned turn = 0;
    return compute_until([&] { return ++turn % 100'000 == 0 && !report_of(name, errors.text()).empty(); });
}

// Sees a task of this name reported once, at this place, which does `body(errors)`. If its thread has no core it cannot say
// where it is, or it has not come there yet: then once more.
template <class Body>
void expect_report(std::string const& name, std::string_view place, Body const& body) {
    constexpr int k_tries = 20;
    std::string text;
    for (int tries = 0; tries < k_tries && report_of(name, text).find(place) == std::string_view::npos &&
                        !::testing::Test::HasFailure();
         ++tries) {
        captured_errors errors;
        run(runtime_options{.workers = 1, .stall_threshold = 20ms},
            [&] { spawn(task_options{.name = name}, [&] { body(errors); }).wait(); });
        text = errors.text();
    }
    EXPECT_EQ(count_of(text, "'" + name + "' has kept worker 0"), 1u) << text;
    EXPECT_NE(report_of(name, text).find(place), std::string_view::npos) << text;
}

constexpr std::string_view k_in_this_program = "coir_tests_core_sched+0x";

TEST(stall_report, names_the_task_that_computes_once_and_where_it_is) {
    expect_report("cruncher", k_in_this_program, [](captured_errors& errors) {
        EXPECT_TRUE(compute_until_reported(errors, "cruncher"));
        // As long again, and longer: it is not reported once more.
        auto const later = std::chrono::steady_clock::now() + 100ms;
        EXPECT_TRUE(compute_until([&] { return std::chrono::steady_clock::now() > later; }));
    });
}

TEST(stall_report, names_the_task_that_blocks_in_a_system_call_and_does_not_interrupt_it) {
    constexpr std::string_view k_in_a_call = "in a system call at";
    expect_report("poller", k_in_a_call, [&](captured_errors& errors) {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        bool in_a_call = false;
        // The call ends when the report has been seen; a signal would end it too, but with EINTR.
        std::thread reader([&] {
            EXPECT_TRUE(compute_until([&] {
                std::this_thread::yield();
                return !report_of("poller", errors.text()).empty();
            }));
            in_a_call = report_of("poller", errors.text()).find(k_in_a_call) != std::string_view::npos;
            EXPECT_EQ(::write(ends[1], "x", 1), 1);
        });
        ::pollfd wanted{ends[0], POLLIN, 0};
        int const ready = ::poll(&wanted, 1, -1);
        reader.join();
        EXPECT_TRUE(ready == 1 || !in_a_call);  // it may have been asked on its way there
        ::close(ends[0]);
        ::close(ends[1]);
    });
}

// An exception that is thrown may be searched for in the list of loaded objects, under a lock of the loader. Whoever unwinds a
// stack may want that lock, and must not do so to say where a thread is that holds it.
template <class F>
void with_lock_of_the_loader(F f) {
    ::dl_iterate_phdr(
        [](dl_phdr_info*, std::size_t, void* call) {
            (*static_cast<F*>(call))();
            return 1;
        },
        &f);
}

TEST(stall_report, comes_while_the_task_holds_the_lock_of_the_unwinder) {
    expect_report("unwinder", k_in_this_program, [](captured_errors& errors) {
        with_lock_of_the_loader([&errors] { EXPECT_TRUE(compute_until_reported(errors, "unwinder")); });
    });
}

TEST(stall_report, asks_a_thread_that_needs_no_lock_to_answer) {
    std::atomic<bool> held{false};
    std::atomic<bool> reported{false};
    std::thread other([&] {
        with_lock_of_the_loader([&] {
            held = true;
            EXPECT_TRUE(compute_until([&] {
                std::this_thread::yield();
                return reported.load();
            }));
        });
    });
    EXPECT_TRUE(compute_until([&] { return held.load(); }));
    expect_report("thrower", k_in_this_program,
                  [](captured_errors& errors) { EXPECT_TRUE(compute_until_reported(errors, "thrower")); });
    reported = true;
    other.join();
}

// Is there a thread that writes a report, or waits to?
bool somebody_reports() {
    namespace fs = std::filesystem;
    for (auto const& thread : fs::directory_iterator("/proc/self/task")) {
        std::string name;
        std::getline(std::ifstream(thread.path() / "comm"), name);
        if (name.ends_with("stall")) {
            return true;
        }
    }
    return false;
}

// Standard error as a pipe that is full, while it lives.
class clogged_errors {
public:
    clogged_errors() {
        EXPECT_EQ(::pipe2(ends_, O_CLOEXEC | O_NONBLOCK), 0);
        std::string const filling(4096, '.');
        for (std::size_t size = filling.size(); size != 0;) {
            size = ::write(ends_[1], filling.data(), size) > 0 ? size : size / 2;
        }
        EXPECT_EQ(::fcntl(ends_[1], F_SETFL, 0), 0);  // whoever writes waits
        saved_ = ::dup(2);
        ::dup2(ends_[1], 2);
    }
    clogged_errors(clogged_errors const&) = delete;
    clogged_errors& operator=(clogged_errors const&) = delete;
    ~clogged_errors() {
        ::dup2(saved_, 2);
        ::close(saved_);
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    // What is in it by now.
    std::string read() {
        std::string text;
        char buffer[4096];
        for (ssize_t size = 0; (size = ::read(ends_[0], buffer, sizeof buffer)) > 0;) {
            text.append(buffer, static_cast<std::size_t>(size));
        }
        return text;
    }

private:
    int ends_[2] = {-1, -1};
    int saved_ = -1;
};

// Whatever keeps the report from being written, here a pipe that is full: the monitor goes on.
TEST(stall_report, that_nobody_reads_does_not_keep_the_monitor) {
    clogged_errors errors;
    std::string report;
    runtime home(runtime_options{.workers = 1, .stall_threshold = 20ms});
    auto t = home.spawn(task_options{.name = "clogger"}, [&] {
        EXPECT_TRUE(compute_until([] { return somebody_reports(); }));
        // The worker is handed over by the monitor only: nothing was ready when this began.
        std::atomic<bool> ran{false};
        blocking([&] {
            auto const other = home.spawn([&ran] { ran = true; });
            EXPECT_TRUE(compute_until([&] {
                std::this_thread::yield();
                return ran.load();
            }));
        });
    });
    t.wait();
    EXPECT_TRUE(somebody_reports());
    while (somebody_reports()) {
        report += errors.read();
        std::this_thread::yield();
    }
    report += errors.read();
    // Once, but for a worker that has no core when the task is back.
    EXPECT_GE(count_of(report, "'clogger' has kept worker 0"), 1u) << report;
}

TEST(stall_report, that_nobody_reads_does_not_keep_the_shutdown) {
    clogged_errors const errors;
    runtime home(runtime_options{.workers = 1, .stall_threshold = 20ms});
    home.block_on([] { EXPECT_TRUE(compute_until([] { return somebody_reports(); })); });
    EXPECT_TRUE(somebody_reports());
    home.shutdown();
    // A thread that was joined is seen for a moment still.
    EXPECT_TRUE(compute_until([] { return !somebody_reports(); }));
}

TEST(stall_report, needs_a_threshold_that_is_not_negative) {
    EXPECT_THROW(runtime(runtime_options{.stall_threshold = -1ns}), std::invalid_argument);
    EXPECT_THROW(run(runtime_options{.stall_threshold = std::chrono::nanoseconds::min()}, [] {}),
                 std::invalid_argument);
    run(runtime_options{.stall_threshold = std::chrono::nanoseconds::max()}, [] {});
}

// For AddressSanitizer, which keeps local variables off the stack to see who uses them after a return. After an exception it
// gives up those whose frames lie below the next one: had that been the handler's, on its own stack, then the task's.
COIR_NOINLINE int ask_behind_an_exception(bool asks) {
    int value = 1;
    int* volatile const where = &value;
    if (asks) {
        try {
            throw 1;
        } catch (int) {
        }
        EXPECT_EQ(::raise(SIGURG), 0);
        for (int i = 0; i < 100'000; ++i) {
            ask_behind_an_exception(false);  // takes the places of those that were given up
        }
    }
    return *where;
}

TEST(stall_report, question_spares_the_variables_of_who_is_asked) {
    run(runtime_options{.workers = 1}, [] { spawn([] { EXPECT_EQ(ask_behind_an_exception(true), 1); }).get(); });
}

// A busy machine may take the core away from the worker for longer than the threshold, and rightly so that is reported. What
// the worker counts as a turn lies between two readings of the clock if there is one in each, so it may be as long as
// two gaps between them. The first reading comes before the runtime starts, the last two when it has ended.
class clocked_turns {
public:
    explicit clocked_turns(std::chrono::nanoseconds threshold) : threshold_(threshold) {}
    /// In each turn. Returns what it has read.
    std::chrono::steady_clock::time_point take() {
        auto const now = std::chrono::steady_clock::now();
        long_ones_ += now - last_but_one_ >= threshold_ ? 1 : 0;
        last_but_one_ = std::exchange(last_, now);
        return now;
    }
    /// At most so many turns were too long.
    std::size_t long_ones() {
        take();
        take();
        return long_ones_;
    }

private:
    std::chrono::nanoseconds const threshold_;
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point last_but_one_ = last_;
    std::size_t long_ones_ = 0;
};

TEST(stall_report, leaves_tasks_alone_that_let_others_have_a_turn) {
    constexpr auto k_threshold = 50ms;
    captured_errors errors;
    clocked_turns turns(k_threshold);
    run(runtime_options{.workers = 1, .stall_threshold = k_threshold}, [&] {
        auto const end = turns.take() + 10 * k_threshold;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 50; ++i) {
            tasks.push_back(spawn([&] {
                while (turns.take() < end) {
                    yield();
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
        turns.take();
    });
    EXPECT_LE(count_of(errors.text(), "has kept worker"), turns.long_ones()) << errors.text();
}

TEST(stall_report, takes_a_section_that_may_block_for_a_turn) {
    constexpr auto k_threshold = 100ms;
    captured_errors errors;
    clocked_turns turns(k_threshold);
    run(runtime_options{.workers = 1, .stall_threshold = k_threshold}, [&] {
        auto now = turns.take();
        for (auto const end = now + 4 * k_threshold; now < end; now = turns.take()) {
            EXPECT_TRUE(compute_until([&] { return std::chrono::steady_clock::now() - now > 2ms; }));
            blocking([] {});
        }
    });
    EXPECT_LE(count_of(errors.text(), "has kept worker"), turns.long_ones()) << errors.text();
}

TEST(stall_report, takes_no_row_of_tasks_that_start_for_one_task) {
    constexpr auto k_threshold = 200ms;
    captured_errors errors;
    clocked_turns turns(k_threshold);
    run(runtime_options{.workers = 1, .stall_threshold = k_threshold}, [&] {
        turns.take();
        event go;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 20; ++i) {  // in all for twice the threshold
            tasks.push_back(spawn([&] {
                auto const start = turns.take();
                EXPECT_TRUE(compute_until([&] { return std::chrono::steady_clock::now() - start > k_threshold / 10; }));
                go.wait();
                turns.take();
            }));
        }
        test::yield_until_waiting(tasks.back());
        turns.take();
        go.set();
        for (auto& t : tasks) {
            t.get();
        }
        turns.take();
    });
    EXPECT_LE(count_of(errors.text(), "has kept worker"), turns.long_ones()) << errors.text();
}

// There is nobody else to have a turn, but a yield that finds nobody is a suspension point all the same.
TEST(stall_report, takes_a_yield_that_finds_nobody_for_a_turn) {
    constexpr auto k_threshold = 100ms;
    for (unsigned const workers : {1U, 2U}) {
        captured_errors errors;
        clocked_turns turns(k_threshold);
        run(runtime_options{.workers = workers, .stall_threshold = k_threshold}, [&] {
            for (int i = 0; i < 30; ++i) {  // fewer than a worker does before it looks at its timers
                auto const start = turns.take();
                EXPECT_TRUE(compute_until([&] { return std::chrono::steady_clock::now() - start > k_threshold / 5; }));
                i % 2 == 0 ? yield() : sleep(0s);
            }
        });
        EXPECT_LE(count_of(errors.text(), "has kept worker"), turns.long_ones()) << errors.text();
    }
}

TEST(stall_report, comes_once_more_behind_a_yield_that_finds_nobody) {
    captured_errors errors;
    run(runtime_options{.workers = 1, .stall_threshold = 20ms}, [&] {
        spawn(task_options{.name = "repeater"}, [&] {
            for (std::size_t stalls = 1; stalls <= 3; ++stalls) {
                ASSERT_TRUE(
                    compute_until([&] { return count_of(errors.text(), "'repeater' has kept worker 0") == stalls; }));
                yield();
            }
        }).get();
    });
    EXPECT_EQ(count_of(errors.text(), "'repeater' has kept worker 0"), 3u) << errors.text();
}

TEST(stall_report, of_zero_never_comes) {
    captured_errors errors;
    run(runtime_options{.workers = 1, .stall_threshold = 0ns}, [] {
        auto t = spawn([] { std::this_thread::sleep_for(200ms); });
        t.wait();
    });
    EXPECT_EQ(errors.text(), "");
}

// A worker fires its timers by portions. In ticks of the monitor as many would take a quarter of a second.
TEST(kept_worker, has_all_its_timers_fired_at_one_tick) {
    constexpr std::size_t count = 16 * 256;
    struct timer : detail::timer_node {
        std::vector<std::chrono::steady_clock::time_point>* fired = nullptr;
        std::atomic<std::size_t>* how_many = nullptr;
    };
    run(runtime_options{.workers = 2, .stall_threshold = 0ns}, [] {
        std::vector<std::chrono::steady_clock::time_point> fired;
        std::atomic<std::size_t> how_many{0};
        fired.reserve(count);
        std::vector<timer> timers(count);
        auto const now = clock::now();
        std::uint32_t home = 0;
        for (timer& each : timers) {
            each.fired = &fired;
            each.how_many = &how_many;
            each.callback = [](detail::timer_node& node) noexcept {
                auto& self = static_cast<timer&>(node);
                self.fired->push_back(std::chrono::steady_clock::now());
                self.how_many->fetch_add(1);
            };
            home = detail::add_timer_here(each, now, now);
        }
        EXPECT_TRUE(compute_until([&] { return how_many == count; }));
        for (timer& each : timers) {
            detail::remove_timer(each, home);
        }
        int pauses = 0;
        for (std::size_t i = 1; i < fired.size(); ++i) {
            pauses += fired[i] - fired[i - 1] > 5ms ? 1 : 0;
        }
        EXPECT_LT(pauses, 8) << "of the 15 that portions of 256 would make";
    });
}

}  // namespace
}  // namespace coir
