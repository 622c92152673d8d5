// SPDX-License-Identifier: BSL-1.0
#include "tests/executors/process/programs.hpp"

#include "tests/executors/process/jobs.hpp"

#include <coir/process_pool.hpp>

#include <cstdio>
#include <filesystem>
#include <iterator>
#include <string>

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

}  // namespace

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

int program_that_is_killed() {
    process_pool_executor pool({.max_workers = 2});
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
