// SPDX-License-Identifier: BSL-1.0
#include "tests/executors/process/jobs.hpp"
#include "tests/executors/process/programs.hpp"
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace coir {
namespace {

using test::on_one_and_four_workers;

int initialised = 0;

void initialise() {
    ++initialised;
}
int times_initialised() {
    return initialised;
}
void refuse() {
    throw std::runtime_error("not today");
}
void never_return() {
    test::stay();
}
void crash() {
    std::_Exit(9);
}

std::string own_path() {
    return std::filesystem::read_symlink("/proc/self/exe");
}

TEST(process_pool_start, a_program_that_did_not_enter_through_coir_is_refused_before_anything_starts) {
    int const status = std::system((own_path() + " " + test::k_without_entry).c_str());
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(process_pool_start, a_static_pool_serves_whatever_is_destroyed_before_it) {
    int const status = std::system((own_path() + " " + test::k_static_pool).c_str());
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(process_pool_start, initializer_runs_once_in_each_worker) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 3, .max_jobs_per_worker = 4, .initializer = &initialise});
        std::vector<future<int>> counts;
        counts.reserve(30);
        for (int i = 0; i < 30; ++i) {
            counts.push_back(pool.submit<&times_initialised>());
        }
        for (auto& each : counts) {
            EXPECT_EQ(each.get(), 1);
        }
        EXPECT_EQ(initialised, 0);
    });
}

TEST(process_pool_start, initializer_that_throws_breaks_the_pool) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 2, .initializer = &refuse});
        auto first = pool.submit<&times_initialised>();
        try {
            pool.submit<&times_initialised>().get();  // the pool may be broken by now
            ADD_FAILURE();
        } catch (broken_executor const& error) {
            EXPECT_NE(std::string(error.what()).find("not today"), std::string::npos) << error.what();
        }
        EXPECT_THROW(first.get(), broken_executor);
        EXPECT_THROW(pool.submit<&times_initialised>(), broken_executor);
    });
}

TEST(process_pool_start, initializer_that_crashes_breaks_the_pool) {
    process_pool_executor pool({.max_workers = 2, .initializer = &crash});
    auto job = pool.submit<&times_initialised>();
    try {
        job.get();
        ADD_FAILURE();
    } catch (broken_executor const& error) {
        EXPECT_NE(std::string(error.what()).find("status 9"), std::string::npos) << error.what();
    }
    auto const stats = pool.stats();
    EXPECT_EQ(stats.submitted, 1u);
    EXPECT_EQ(stats.cancelled, 1u);
    EXPECT_EQ(stats.queued + stats.running + stats.completed, 0u);
}

TEST(process_pool_start, initializer_that_never_returns_breaks_the_pool) {
    process_pool_executor pool(
        {.max_workers = 1, .initializer = &never_return, .start_timeout = std::chrono::milliseconds(500)});
    EXPECT_THROW(pool.submit<&times_initialised>().get(), broken_executor);
}

TEST(process_pool_start, a_worker_that_never_says_hello_is_a_start_error) {
    ::setenv(test::k_never_says_hello, "1", 1);
    {
        process_pool_executor pool({.max_workers = 1,
                                    .start_timeout = std::chrono::milliseconds(200),
                                    .inherit_environment = {test::k_never_says_hello}});
        auto queued = pool.submit<&times_initialised>();
        EXPECT_THROW(pool.submit<&times_initialised>().get(), worker_start_error);
        EXPECT_THROW(queued.get(), worker_start_error);
        EXPECT_THROW(pool.submit<&times_initialised>(), worker_start_error);
    }
    ::unsetenv(test::k_never_says_hello);
}

TEST(process_pool_start, a_worker_that_says_something_else_than_hello_is_a_start_error) {
    for (auto const& [words, complaint] : {std::pair("garbage", "bytes that are no message"),
                                           std::pair("endless", "a message of 9223372036854775808 bytes")}) {
        ::setenv(test::k_says_instead_of_hello, words, 1);
        {
            process_pool_executor pool({.max_workers = 1, .inherit_environment = {test::k_says_instead_of_hello}});
            auto job = pool.submit<&times_initialised>();
            try {
                job.get();
                ADD_FAILURE() << "it has a result";
            } catch (worker_start_error const& error) {
                EXPECT_NE(std::string(error.what()).find(complaint), std::string::npos) << error.what();
            }
        }
        ::unsetenv(test::k_says_instead_of_hello);
    }
}

TEST(process_pool_start, a_pool_that_is_never_used_starts_nothing) {
    process_pool_executor pool;
    EXPECT_EQ(pool.stats().workers_started, 0u);
}

TEST(process_pool_start, a_fork_of_the_program_cannot_use_the_pool) {
    process_pool_executor pool({.max_workers = 1});
    pool.submit<&times_initialised>().get();
    int const child = ::fork();
    if (child == 0) {
        int status = 1;
        try {
            pool.submit<&times_initialised>();
        } catch (broken_executor const&) {
            status = 0;
        }
        ::_exit(status);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(pool.submit<&times_initialised>().get(), 0);
}

TEST(process_pool_start, a_pool_with_work_queued_finishes_it_when_it_is_destroyed) {
    on_one_and_four_workers([] {
        std::vector<future<std::uint64_t>> results;
        {
            process_pool_executor pool({.max_workers = 2});
            for (std::uint64_t i = 0; i < 100; ++i) {
                results.push_back(pool.submit<&test::mix>(i));
            }
        }
        for (std::uint64_t i = 0; i < 100; ++i) {
            ASSERT_TRUE(results[i].done());
            EXPECT_EQ(results[i].get(), test::mix(i));
        }
    });
}

TEST(process_pool_start, jobs_may_have_pools_and_runtimes_of_their_own) {
    process_pool_executor pool({.max_workers = 1});
    EXPECT_EQ((pool.submit<[](std::uint64_t x) {
                       return run([x] {
                           process_pool_executor inner({.max_workers = 1});
                           return inner.submit<&test::mix>(x).get();
                       });
                   }>(6u)
                   .get()),
              test::mix(6));
}

TEST(process_pool_start, lack_of_descriptors_fails_the_jobs_that_wait_and_passes) {
    process_pool_executor pool({.max_workers = 1});
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit none = before;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
    auto waiting = pool.submit<&times_initialised>();
    waiting.wait();
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_THROW(waiting.get(), worker_start_error);
    EXPECT_EQ(pool.submit<&times_initialised>().get(), 0);
}

}  // namespace
}  // namespace coir
