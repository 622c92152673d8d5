// SPDX-License-Identifier: BSL-1.0
#include "tests/executors/process/jobs.hpp"
#include "tests/support/one_processor.hpp"
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <functional>
#include <ios>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>
#include <vector>

#include <unistd.h>

namespace coir {
namespace {

using test::ended_by;
using test::on_one_and_four_workers;

// Runs a job that ends its worker amid a hundred others, and looks at what it failed with.
template <auto Job>
void dies_alone(std::function<bool(worker_died const&)> const& expected) {
    on_one_and_four_workers([&] {
        process_pool_executor pool({.max_workers = 3});
        std::vector<future<std::uint64_t>> others;
        future<int> dying;
        for (std::uint64_t i = 0; i < 100; ++i) {
            if (i == 30) {
                dying = pool.submit<Job>(31);  // the number that this job has in the pool
            }
            others.push_back(pool.submit<&test::mix>(i));
        }
        try {
            dying.get();
            ADD_FAILURE() << "it has a result";
        } catch (worker_died const& error) {
            EXPECT_TRUE(expected(error)) << error.what() << ", exit status " << error.exit_status();
            EXPECT_NE(std::string(error.what()).find("worker process"), std::string::npos) << error.what();
        }
        for (std::uint64_t i = 0; i < 100; ++i) {
            EXPECT_EQ(others[i].get(), test::mix(i));
        }
        EXPECT_EQ(pool.submit<&test::mix>(7u).get(), test::mix(7));
        EXPECT_EQ(pool.stats().workers_died, 1u);
    });
}

std::function<bool(worker_died const&)> of_signal(int signal) {
    return [signal](worker_died const& error) { return ended_by(error, signal); };
}

TEST(process_pool_death, by_sigkill_fails_its_own_job_only) {
    dies_alone<&test::die_of_kill>([](worker_died const& e) { return e.signal() == SIGKILL && e.exit_status() == -1; });
}

TEST(process_pool_death, by_a_bad_access_fails_its_own_job_only) {
    dies_alone<&test::die_of_segv>(of_signal(SIGSEGV));
}

TEST(process_pool_death, by_abort_fails_its_own_job_only) {
    dies_alone<&test::die_of_abort>(of_signal(SIGABRT));
}

TEST(process_pool_death, by_exit_fails_its_own_job_only) {
    dies_alone<&test::die_of_exit>([](worker_died const& e) { return e.signal() == 0 && e.exit_status() == 3; });
}

TEST(process_pool_death, by_a_stack_overflow_fails_its_own_job_only) {
    dies_alone<&test::die_of_recursion>(of_signal(SIGSEGV));
}

std::string reason_of_death(future<int> dying) {
    try {
        dying.get();
    } catch (worker_died const& error) {
        return error.what();
    }
    return "none";
}

TEST(process_pool_death, by_a_stack_overflow_is_told_from_other_bad_accesses) {
    process_pool_executor pool({.max_workers = 1});
    std::string const overflow = reason_of_death(pool.submit<&test::die_of_recursion>(0));
    EXPECT_NE(overflow.find("stack overflow"), std::string::npos) << overflow;
    std::string const stray = reason_of_death(pool.submit<&test::die_of_segv>(0));
    EXPECT_NE(stray.find("worker process"), std::string::npos) << stray;
    EXPECT_EQ(stray.find("stack overflow"), std::string::npos) << stray;
}

TEST(process_pool_death, by_a_stack_overflow_is_claimed_once) {
    dies_alone<&test::claim_overflows>([](worker_died const& e) { return e.signal() == SIGKILL; });
}

void overflow_at_the_start() {
    test::die_of_recursion(0);
}

TEST(process_pool_death, by_a_stack_overflow_in_the_initializer_is_told) {
    process_pool_executor pool({.max_workers = 1, .initializer = &overflow_at_the_start});
    auto job = pool.submit<&test::mix>(1u);
    try {
        job.get();
        ADD_FAILURE() << "it has a result";
    } catch (broken_executor const& error) {
        EXPECT_NE(std::string(error.what()).find("stack overflow"), std::string::npos) << error.what();
    }
}

TEST(process_pool_death, by_bytes_that_are_no_message_fails_its_own_job_only) {
    dies_alone<&test::write_garbage>([](worker_died const& e) { return e.signal() == SIGKILL; });
}

TEST(process_pool_death, by_a_message_of_2_to_the_63_bytes_fails_its_own_job_only) {
    dies_alone<&test::write_endless_frame>([](worker_died const& e) {
        return e.signal() == SIGKILL && std::string(e.what()).find("9223372036854775808") != std::string::npos;
    });
}

TEST(process_pool_death, by_closing_its_channel_fails_its_own_job_only) {
    dies_alone<&test::close_everything>([](worker_died const& e) { return e.signal() == SIGKILL; });
}

TEST(process_pool_death, by_start_failures_without_end_fails_its_own_job_only) {
    dies_alone<&test::write_start_failures>([](worker_died const& e) { return e.signal() == SIGKILL; });
}

std::vector<std::vector<std::string>> lying(int job) {
    test::write_a_lie(job);
    return {};
}

TEST(process_pool_death, by_an_answer_that_claims_more_than_it_has_fails_its_own_job_only) {
    process_pool_executor pool({.max_workers = 1});
    auto dying = pool.submit<&lying>(1);
    auto other = pool.submit<&test::mix>(5u);
    EXPECT_THROW(dying.get(), worker_died);
    EXPECT_EQ(other.get(), test::mix(5));
}

TEST(process_pool_death, of_one_that_wants_too_much_memory_is_its_own) {
    process_pool_executor pool({.max_workers = 2, .memory_limit = test::k_bomb_limit});
    auto bomb = pool.submit<&test::die_of_memory>(0);
    std::vector<future<std::uint64_t>> others;
    for (std::uint64_t i = 0; i < 100; ++i) {
        others.push_back(pool.submit<&test::mix>(i));
    }
    try {
        bomb.get();
        ADD_FAILURE() << "it has a result";
    } catch (std::bad_alloc const&) {
    }
    for (std::uint64_t i = 0; i < 100; ++i) {
        EXPECT_EQ(others[i].get(), test::mix(i));
    }
}

TEST(process_pool_death, of_an_idle_worker_loses_no_job) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        for (int i = 0; i < 20; ++i) {
            int const number = pool.submit<&test::own_number>().get();
            ::kill(number, SIGKILL);
            // Before, while or after the pool learns of it.
            EXPECT_NE(pool.submit<&test::own_number>().get(), number);
        }
    });
}

TEST(process_pool_death, of_an_idle_worker_that_is_found_out_spares_the_job_that_it_was_given) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        for (int i = 0; i < 10; ++i) {
            int const number = 2 * i + 1;  // that this job has in the pool
            EXPECT_EQ(pool.submit<&test::answer_and_write_garbage>(number).get(), 5);
            EXPECT_EQ(pool.submit<&test::mix>(8u).get(), test::mix(8));
        }
        EXPECT_EQ(pool.stats().workers_died, 10u);
        EXPECT_EQ(pool.stats().completed, 20u);
    });
}

TEST(process_pool_death, takes_along_what_the_job_has_started) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        auto const has_ended = [](int child) { return !test::is_alive(child); };

        int child = pool.submit<&test::leave_a_child>().get();
        EXPECT_TRUE(test::is_alive(child));
        EXPECT_THROW(pool.submit<&test::die_of_kill>(0).get(), worker_died);
        test::yield_until([&] { return has_ended(child); });

        child = pool.submit<&test::leave_a_child>().get();
        auto running = pool.submit<&test::stay>();
        running.cancel();
        test::yield_until([&] { return has_ended(child); });

        child = pool.submit<&test::leave_a_child>().get();
        pool.shutdown();
        test::yield_until([&] { return has_ended(child); });
    });
}

TEST(process_pool_death, of_a_fork_that_comes_back_from_the_job_is_nobody_elses_business) {
    test::on_one_processor const here;  // without a mailbox, which a fork does not have
    process_pool_executor pool({.max_workers = 1});
    for (int i = 0; i < 10; ++i) {
        EXPECT_GT(pool.submit<[] { return ::fork(); }>().get(), 0);
    }
    EXPECT_EQ(pool.stats().workers_died, 0u);
}

TEST(process_pool_death, of_all_workers_at_once_is_survived) {
    process_pool_executor pool({.max_workers = 4});
    for (int round = 0; round < 5; ++round) {
        std::vector<future<int>> dying;
        dying.reserve(8);
        for (int i = 0; i < 8; ++i) {
            dying.push_back(pool.submit<&test::die_of_kill>(0));
        }
        for (auto& each : dying) {
            EXPECT_THROW(each.get(), worker_died);
        }
    }
    EXPECT_EQ(pool.submit<&test::mix>(1u).get(), test::mix(1));
}

// CPython learns of the death of a worker that was started on demand only when something else happens.
TEST(process_pool_death, is_noticed_although_nothing_else_happens) {
    process_pool_executor pool({.max_workers = 2});
    EXPECT_EQ(pool.submit<&test::mix>(1u).get(), test::mix(1));
    auto stays = pool.submit<&test::stay>();
    auto dying = pool.submit<&test::die_of_kill>(0);  // for which a worker has to be started
    EXPECT_THROW(dying.get(), worker_died);
    EXPECT_FALSE(stays.done());
    stays.cancel();
}

// ---- what jobs throw -------------------------------------------------------------------------------------------------

struct own_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

int throws(int which) {
    switch (which) {
    case 0:
        throw std::runtime_error("text");
    case 1:
        throw std::out_of_range("range");
    case 2:
        throw std::bad_alloc();
    case 3:
        throw std::system_error(ENOENT, std::generic_category(), "opening");
    case 4:
        throw own_error("own");
    case 5:
        throw 7;
    case 6:
        throw std::filesystem::filesystem_error("reading", "a", "b", std::make_error_code(std::errc::io_error));
    case 7:
        throw cancelled("by itself");
    case 8:
        throw std::ios_base::failure("stream");
    default:
        return which;
    }
}

// Futures whose exceptions are read live longer than the handlers: ThreadSanitizer does not see the count in
// std::exception_ptr, which would order that before the keeper's last release.

TEST(process_pool_exceptions, of_the_standard_library_keep_their_type_and_text) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 2});
        auto plain = pool.submit<&throws>(0);
        try {
            plain.get();
            ADD_FAILURE();
        } catch (std::runtime_error const& error) {
            EXPECT_STREQ(error.what(), "text");
            EXPECT_EQ(typeid(error), typeid(std::runtime_error));
        }
        EXPECT_THROW(pool.submit<&throws>(1).get(), std::out_of_range);
        EXPECT_THROW(pool.submit<&throws>(2).get(), std::bad_alloc);
        auto coded = pool.submit<&throws>(3);
        try {
            coded.get();
            ADD_FAILURE();
        } catch (std::system_error const& error) {
            EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
            EXPECT_STREQ(error.what(), std::system_error(ENOENT, std::generic_category(), "opening").what());
        }
        auto with_paths = pool.submit<&throws>(6);
        try {
            with_paths.get();
            ADD_FAILURE();
        } catch (std::filesystem::filesystem_error const& error) {
            EXPECT_EQ(error.path1(), "a");
            EXPECT_EQ(error.path2(), "b");
            EXPECT_STREQ(error.what(), std::filesystem::filesystem_error("reading", "a", "b",
                                                                         std::make_error_code(std::errc::io_error))
                                           .what());
        }
        EXPECT_THROW(pool.submit<&throws>(7).get(), cancelled);
        EXPECT_THROW(pool.submit<&throws>(8).get(), std::ios_base::failure);
        EXPECT_EQ(pool.submit<&throws>(100).get(), 100);
    });
}

TEST(process_pool_exceptions, of_the_program_are_named) {
    process_pool_executor pool({.max_workers = 1});
    auto derived = pool.submit<&throws>(4);
    try {
        derived.get();
        ADD_FAILURE();
    } catch (remote_exception const& error) {
        EXPECT_NE(error.type_name().find("own_error"), std::string::npos) << error.type_name();
        EXPECT_STREQ(error.what(), "own");
    }
    auto number = pool.submit<&throws>(5);
    try {
        number.get();
        ADD_FAILURE();
    } catch (remote_exception const& error) {
        EXPECT_EQ(error.type_name(), "int");
    }
    EXPECT_EQ(pool.stats().workers_died, 0u);
}

}  // namespace
}  // namespace coir
