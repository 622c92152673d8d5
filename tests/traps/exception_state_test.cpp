// SPDX-License-Identifier: BSL-1.0
//
// The C++ runtime keeps the exceptions that are being handled, and the count of those under way, for each thread. A
// task that suspends in a catch block or in a destructor has to take them along. And exceptions of several workers must not
// wait for each other: a lock of the whole process that each of them takes makes many workers as slow as one.

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <future>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <link.h>

namespace coir {
namespace {

using test::on_one_and_four_workers;

constexpr int k_rounds = 300;

struct numbered {
    int task;
    int round;
};

TEST(exception_state, rethrow_after_a_suspension_gives_the_own_exception) {
    on_one_and_four_workers([] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 8; ++i) {
            tasks.push_back(spawn([i] {
                for (int round = 0; round < k_rounds; ++round) {
                    try {
                        try {
                            throw numbered{i, round};
                        } catch (...) {
                            yield();
                            throw;
                        }
                    } catch (numbered const& caught) {
                        EXPECT_EQ(caught.task, i);
                        EXPECT_EQ(caught.round, round);
                    }
                }
                EXPECT_EQ(std::current_exception(), nullptr);
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
}

TEST(exception_state, nested_handlers_keep_their_order) {
    on_one_and_four_workers([] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 8; ++i) {
            tasks.push_back(spawn([i] {
                for (int round = 0; round < k_rounds; ++round) {
                    try {
                        throw std::runtime_error(std::to_string(i));
                    } catch (std::runtime_error const& outer) {
                        yield();
                        try {
                            throw i;
                        } catch (int inner) {
                            yield();
                            EXPECT_EQ(inner, i);
                        }
                        yield();
                        EXPECT_EQ(outer.what(), std::to_string(i));
                        EXPECT_NE(std::current_exception(), nullptr);
                    }
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
}

struct yields_when_it_dies {
    ~yields_when_it_dies() {
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        yield();
        EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
};

TEST(exception_state, uncaught_exceptions_of_a_destructor_that_yields_stay_with_its_task) {
    on_one_and_four_workers([] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 8; ++i) {
            tasks.push_back(spawn([i] {
                for (int round = 0; round < k_rounds; ++round) {
                    EXPECT_EQ(std::uncaught_exceptions(), 0);
                    try {
                        yields_when_it_dies const dies;
                        if (i % 2 == 0) {
                            throw numbered{i, round};
                        }
                        throw std::runtime_error("unwinds");
                    } catch (numbered const& caught) {
                        EXPECT_EQ(caught.task, i);
                    } catch (std::runtime_error const&) {
                        EXPECT_EQ(i % 2, 1);
                    }
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
}

TEST(exception_state, task_does_not_see_the_exception_that_its_awaiter_handles) {
    on_one_and_four_workers([] {
        try {
            throw std::runtime_error("of the awaiter");
        } catch (std::runtime_error const& mine) {
            bool const saw_one = spawn([] { return std::current_exception() != nullptr; }).get();
            EXPECT_FALSE(saw_one);
            EXPECT_STREQ(mine.what(), "of the awaiter");
            EXPECT_NE(std::current_exception(), nullptr);
        }
    });
}

struct awaits_a_task_when_it_dies {
    ~awaits_a_task_when_it_dies() {
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        spawn([] {
            EXPECT_EQ(std::uncaught_exceptions(), 0);
            current_task().cancel();
            EXPECT_THROW(yield(), cancelled);  // nothing unwinds in this task
        }).get();
        EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
};

TEST(exception_state, task_that_a_dying_frame_awaits_does_not_count_as_unwinding) {
    on_one_and_four_workers([] {
        for (int round = 0; round < k_rounds; ++round) {
            try {
                awaits_a_task_when_it_dies const dies;
                throw round;
            } catch (int caught) {
                EXPECT_EQ(caught, round);
            }
        }
    });
}

// What throws scales only if it takes no lock that others take. The one in question is that of the list of loaded objects,
// in which unwinders search for the tables of a function; somebody else has it here all the while.
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 35)
TEST(exception_throwing, waits_for_nobody_who_has_the_list_of_loaded_objects) {
    std::latch has_it(1);
    std::promise<void> done;
    std::future_status seen{};
    auto hold = [&] {
        has_it.count_down();
        seen = done.get_future().wait_for(std::chrono::minutes(4));  // a hang, not a measure
    };
    std::thread holder([&] {
        ::dl_iterate_phdr(
            [](dl_phdr_info*, std::size_t, void* call) {
                (*static_cast<decltype(hold)*>(call))();
                return 1;
            },
            &hold);
    });
    has_it.wait();
    on_one_and_four_workers([] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 8; ++i) {
            tasks.push_back(spawn([i] {
                for (int round = 0; round < k_rounds / 10; ++round) {
                    EXPECT_THROW(
                        {
                            yield();
                            throw numbered({i, round});
                        },
                        numbered);
                    current_task().cancel();
                    EXPECT_THROW(yield(), cancelled);
                    EXPECT_THROW(spawn([] { throw std::runtime_error("of a child"); }).get(), std::runtime_error);
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
    done.set_value();
    holder.join();
    EXPECT_EQ(seen, std::future_status::ready);
}
#endif
#endif

}  // namespace
}  // namespace coir
