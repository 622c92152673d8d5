// SPDX-License-Identifier: BSL-1.0
#include "tests/executors/process/programs.hpp"

#include "tests/executors/process/jobs.hpp"

#include <coir/process_pool.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <string>

#include <unistd.h>

namespace coir::test {
namespace {

int answer() {
    return 42;
}

std::ptrdiff_t threads_and_children() {
    namespace fs = std::filesystem;
    std::string const self = "/proc/self/task";
    std::ptrdiff_t count = std::distance(fs::directory_iterator(self), fs::directory_iterator());
    for (auto const& thread : fs::directory_iterator(self)) {
        std::FILE* const children = std::fopen((thread.path() / "children").c_str(), "r");
        for (int c = 0; children != nullptr && (c = std::fgetc(children)) != EOF;) {
            count += c == ' ' ? 1 : 0;
        }
        if (children != nullptr) {
            std::fclose(children);
        }
    }
    return count;
}

void become_nobody() {
    constexpr unsigned k_nobody = 65534;
    if (::setresgid(k_nobody, k_nobody, k_nobody) != 0 || ::setresuid(k_nobody, k_nobody, k_nobody) != 0) {
        throw std::runtime_error("the user cannot be changed");
    }
}

// Destroyed before the pool that it refers to, and after all that the pool has made on its first use.
struct user_of_pool {
    explicit user_of_pool(process_pool_executor& p) noexcept : pool(p) {}
    user_of_pool(user_of_pool const&) = delete;
    user_of_pool& operator=(user_of_pool const&) = delete;
    ~user_of_pool() {
        try {
            bool const same_worker = pool.submit<&answer>().get() == 42;
            pool.submit<&test::die_of_kill>(0).wait();
            bool const another_worker = pool.submit<&answer>().get() == 42;
            if (same_worker && another_worker) {
                return;
            }
            std::puts("a wrong answer");
        } catch (std::exception const& error) {
            std::puts(error.what());
        }
        std::fflush(stdout);
        std::_Exit(4);
    }
    process_pool_executor& pool;
};

}  // namespace

int program_with_static_pool() {
    static process_pool_executor pool({.max_workers = 1});
    static user_of_pool const user(pool);
    return user.pool.submit<&answer>().get() == 42 ? 0 : 1;
}

int program_without_entry() {
    auto const before = threads_and_children();
    try {
        process_pool_executor pool({.max_workers = 1});
        pool.submit<&answer>().get();
        std::puts("a pool was made");
        return 1;
    } catch (worker_start_error const& error) {
        if (std::string(error.what()).find("coir::run(argc, argv, f)") == std::string::npos) {
            std::puts("the message does not say what to do");
            return 2;
        }
    }
    if (threads_and_children() != before) {
        std::puts("something was started");
        return 3;
    }
    return 0;
}

int program_that_is_killed(bool as_nobody) {
    process_pool_executor pool({.max_workers = 2, .initializer = as_nobody ? &become_nobody : nullptr});
    // Each stays with one job, so that the other one answers the next question.
    for (int i = 0; i < 2; ++i) {
        std::printf("%d\n", pool.submit<&own_number>().get());
        pool.submit<&stay>();
    }
    std::puts("ready");
    std::fflush(stdout);
    stay();
    return 0;
}

}  // namespace coir::test
