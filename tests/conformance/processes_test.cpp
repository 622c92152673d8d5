// SPDX-License-Identifier: BSL-1.0
//
// concurrent.futures: the process pool.

#include "tests/conformance/support.hpp"

#include <coir/process_pool.hpp>

#include <csignal>
#include <stdexcept>
#include <string>

#include <unistd.h>

namespace coir {
namespace {

int own_number() {
    return ::getpid();
}
int square(int x) {
    return x * x;
}
int stay() {
    for (;;) {
        ::pause();
    }
}
int die() {
    std::raise(SIGKILL);
    return 0;
}
int fail() {
    throw std::out_of_range("in the worker");
}
struct own_error {};
int fail_in_an_own_way() {
    throw own_error();
}

int prepared = 0;
void prepare() {
    prepared = 5;
}
int what_was_prepared() {
    return prepared;
}
void fail_to_prepare() {
    throw std::runtime_error("initializer");
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, functions_run_in_other_processes) {
    process_pool_executor pool({.max_workers = 1});
    EXPECT_NE(pool.submit<&own_number>().get(), ::getpid());
    EXPECT_EQ(pool.submit<&square>(4).get(), 16);
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, exception_comes_back_as_what_it_was) {
    process_pool_executor pool({.max_workers = 1});
    auto f = pool.submit<&fail>();
    try {
        f.get();
        ADD_FAILURE();
    } catch (std::out_of_range const& e) {
        EXPECT_STREQ(e.what(), "in the worker");
    }
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, exception_of_a_type_of_the_program) {
    process_pool_executor pool({.max_workers = 1});
    auto f = pool.submit<&fail_in_an_own_way>();
    try {
        f.get();
        ADD_FAILURE();
    } catch (remote_exception const& e) {
        EXPECT_NE(e.type_name().find("own_error"), std::string::npos);
    }
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, map_gives_results_in_the_order_of_the_inputs) {
    process_pool_executor pool({.max_workers = 2});
    std::vector<int> results;
    for (int const result : pool.map<&square>(std::vector<int>{3, 1, 2})) {
        results.push_back(result);
    }
    EXPECT_EQ(results, (std::vector<int>{9, 1, 4}));
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, initializer_runs_in_each_worker) {
    process_pool_executor pool({.max_workers = 1, .max_jobs_per_worker = 1, .initializer = &prepare});
    EXPECT_EQ(pool.submit<&what_was_prepared>().get(), 5);
    EXPECT_EQ(pool.submit<&what_was_prepared>().get(), 5);
    EXPECT_EQ(prepared, 0);
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, initializer_that_fails_breaks_the_pool) {
    process_pool_executor pool({.max_workers = 1, .initializer = &fail_to_prepare});
    EXPECT_THROW(pool.submit<&own_number>().get(), broken_executor);
    EXPECT_THROW(pool.submit<&own_number>().get(), broken_executor);
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, workers_are_replaced_after_so_many_jobs) {
    process_pool_executor pool({.max_workers = 1, .max_jobs_per_worker = 2});
    int const first = pool.submit<&own_number>().get();
    EXPECT_EQ(pool.submit<&own_number>().get(), first);
    EXPECT_NE(pool.submit<&own_number>().get(), first);
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, job_that_waits_can_be_cancelled) {
    process_pool_executor pool({.max_workers = 1});
    auto running = pool.submit<&stay>();
    std::vector<future<int>> waiting;
    for (int i = 0; i < 4; ++i) {
        waiting.push_back(pool.submit<&die>());
    }
    for (auto& f : waiting) {
        EXPECT_TRUE(f.cancel());
        EXPECT_THROW(f.get(), cancelled);
    }
    running.cancel();
    EXPECT_EQ(pool.submit<&square>(2).get(), 4);
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, job_that_runs_can_be_cancelled) {
    process_pool_executor pool({.max_workers = 1});
    int const first = pool.submit<&own_number>().get();
    auto running = pool.submit<&stay>();
    EXPECT_TRUE(running.cancel());
    EXPECT_THROW(running.get(), cancelled);
    EXPECT_NE(pool.submit<&own_number>().get(), first);
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, worker_that_dies_fails_its_job) {
    process_pool_executor pool({.max_workers = 2});
    auto dies = pool.submit<&die>();
    auto other = pool.submit<&square>(3);
    EXPECT_THROW(dies.get(), worker_died);
    EXPECT_EQ(other.get(), 9);
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, pool_after_the_death_of_a_worker) {
    process_pool_executor pool({.max_workers = 1});
    EXPECT_THROW(pool.submit<&die>().get(), worker_died);
    EXPECT_EQ(pool.submit<&square>(3).get(), 9);
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, death_of_a_worker_is_noticed_at_once) {
    process_pool_executor pool({.max_workers = 4});
    for (int i = 0; i < 4; ++i) {
        EXPECT_THROW(pool.submit<&die>().get(), worker_died);  // nothing else happens meanwhile
    }
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(processes, shutdown_waits_for_the_jobs) {
    process_pool_executor pool({.max_workers = 1});
    std::vector<future<int>> jobs;
    for (int i = 0; i < 5; ++i) {
        jobs.push_back(pool.submit<&square>(i));
    }
    pool.shutdown();
    for (auto const& job : jobs) {
        EXPECT_TRUE(job.done());
    }
    EXPECT_EQ(jobs.back().get(), 16);
    EXPECT_THROW(pool.submit<&square>(1), executor_shut_down);
}

COIR_CONFORMS(processes, run_in_executor_takes_a_process_pool) {
    process_pool_executor pool({.max_workers = 1});
    EXPECT_EQ(run_in_executor<&square>(pool, 5).get(), 25);
}

COIR_CONFORMS(processes, cancelled_task_and_its_job) {
    process_pool_executor pool({.max_workers = 1});
    auto caller = spawn([&] { run_in_executor<&stay>(pool).get(); });
    while (pool.stats().running == 0) {
        yield();
    }
    caller.cancel();
    EXPECT_THROW(caller.get(), cancelled);
    EXPECT_EQ(pool.submit<&square>(2).get(), 4);
}

}  // namespace
}  // namespace coir
