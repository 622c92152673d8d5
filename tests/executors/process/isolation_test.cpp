// SPDX-License-Identifier: BSL-1.0
#include "core/sched/cores.hpp"
#include "executors/process/spawn_impl.hpp"
#include "tests/executors/process/jobs.hpp"
#include "tests/executors/process/programs.hpp"

#include <coir/process_pool.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace coir {
namespace {

using testing::UnorderedElementsAre;

std::vector<int> own_descriptors() {
    namespace fs = std::filesystem;
    std::vector<int> open;
    for (auto const& each : fs::directory_iterator("/proc/self/fd")) {
        open.push_back(std::stoi(each.path().filename()));
    }
    // The one that the directory was read with is gone again.
    open.erase(std::remove_if(open.begin(), open.end(), [](int fd) { return ::fcntl(fd, F_GETFD) == -1; }), open.end());
    std::sort(open.begin(), open.end());
    return open;
}

std::vector<std::string> own_environment() {
    std::vector<std::string> all;
    for (char** each = environ; *each != nullptr; ++each) {
        all.emplace_back(*each);
    }
    return all;
}

std::vector<int> blocked_signals() {
    sigset_t mask;
    ::sigprocmask(SIG_BLOCK, nullptr, &mask);
    std::vector<int> blocked;
    for (int signal = 1; signal < SIGRTMIN; ++signal) {
        if (::sigismember(&mask, signal) == 1) {
            blocked.push_back(signal);
        }
    }
    return blocked;
}

bool ignores(int signal) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    return action.sa_handler == SIG_IGN;
}

std::uint64_t soft_limit(int which) {
    rlimit limit{};
    ::getrlimit(static_cast<__rlimit_resource_t>(which), &limit);
    return limit.rlim_cur;
}

TEST(process_pool_isolation, workers_have_their_own_descriptors_however_many_the_program_has) {
    rlimit const before = [] {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        return limit;
    }();
    rlimit more = before;
    more.rlim_cur = std::min<rlim_t>(before.rlim_max, 8192);
    ::setrlimit(RLIMIT_NOFILE, &more);
    std::vector<int> opened;
    while (opened.size() < std::min<std::size_t>(4000, more.rlim_cur - 100)) {
        int const fd = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as careless code does
        ASSERT_GE(fd, 0);
        opened.push_back(fd);
    }
    {
        process_pool_executor pool({.max_workers = 1});
        std::vector<int> own{0, 1, 2, detail::k_worker_channel};
        if (detail::usable_core_count() > 1) {
            own.push_back(detail::k_worker_channel + 2);  // its bell, next to where its mailbox came from
        }
        EXPECT_EQ(pool.submit<&own_descriptors>().get(), own);
        // Nor do those stay that come with arguments.
        std::vector<std::byte> const bytes(100'000);
        pool.submit<[](std::span<std::byte const> s) { return s.size(); }>(bytes).get();
        EXPECT_EQ(pool.submit<&own_descriptors>().get(), own);
    }
    for (int const fd : opened) {
        ::close(fd);
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST(process_pool_isolation, workers_have_the_variables_that_are_allowed_and_no_other) {
    ::setenv("COIR_TEST_SECRET", "s", 1);
    ::setenv("COIR_TEST_A", "a", 1);
    ::setenv("COIR_PREFIX_B", "b", 1);
    {
        // What sanitizers and the loader may have been given is not the question here.
        auto const relevant = [](std::vector<std::string> all) {
            all.erase(std::remove_if(all.begin(), all.end(),
                                     [](std::string const& e) {
                                         return e.find("SAN_OPTIONS=") != std::string::npos || e.starts_with("LD_");
                                     }),
                      all.end());
            return all;
        };
        process_pool_executor nothing({.max_workers = 1});
        EXPECT_THAT(relevant(nothing.submit<&own_environment>().get()), testing::IsEmpty());
        process_pool_executor some({.max_workers = 1, .inherit_environment = {"COIR_TEST_A", "COIR_PREFIX_*"}});
        EXPECT_THAT(relevant(some.submit<&own_environment>().get()),
                    UnorderedElementsAre("COIR_TEST_A=a", "COIR_PREFIX_B=b"));
    }
    ::unsetenv("COIR_TEST_SECRET");
    ::unsetenv("COIR_TEST_A");
    ::unsetenv("COIR_PREFIX_B");
}

TEST(process_pool_isolation, signals_are_as_in_a_fresh_program) {
    sigset_t some;
    ::sigemptyset(&some);
    ::sigaddset(&some, SIGUSR1);
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &some, &before);
    auto const handler = ::signal(SIGPIPE, SIG_IGN);
    {
        process_pool_executor pool({.max_workers = 1});
        EXPECT_THAT(pool.submit<&blocked_signals>().get(), testing::IsEmpty());
        EXPECT_FALSE(pool.submit<&ignores>(SIGPIPE).get());
        EXPECT_NE(pool.submit<[] { return static_cast<int>(::getsid(0)); }>().get(), ::getsid(0));
    }
    ::signal(SIGPIPE, handler);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(process_pool_isolation, workers_can_gain_nothing_and_leave_no_core) {
    process_pool_executor pool({.max_workers = 1});
    EXPECT_EQ(pool.submit<[] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }>().get(), 1);
    EXPECT_EQ(pool.submit<&soft_limit>(RLIMIT_CORE).get(), 0u);
    EXPECT_LE(pool.submit<&soft_limit>(RLIMIT_NOFILE).get(), 1024u);
    EXPECT_EQ(pool.submit<[] { return ::getchar(); }>().get(), EOF);
}

void expect_killed(future<void>& job, int signal) {
    try {
        job.get();
        ADD_FAILURE();
    } catch (worker_died const& error) {
        EXPECT_EQ(error.signal(), signal) << error.what();
    }
}

TEST(process_pool_isolation, limits_are_in_force) {
    process_pool_executor pool(
        {.max_workers = 1, .memory_limit = test::k_bomb_limit, .cpu_limit = std::chrono::seconds(1)});
    if (!test::k_sanitized) {
        EXPECT_EQ(pool.submit<&soft_limit>(RLIMIT_DATA).get(), test::k_bomb_limit);
    }
    auto endless = pool.submit<[] {
        for (std::atomic<unsigned> x{0};; ++x) {
        }
    }>();
    expect_killed(endless, SIGXCPU);
    EXPECT_EQ(pool.submit<&test::mix>(1u).get(), test::mix(1));
}

TEST(process_pool_isolation, a_job_that_ignores_the_limit_of_processor_time_is_killed) {
    process_pool_executor pool({.max_workers = 1, .cpu_limit = std::chrono::seconds(1)});
    auto endless = pool.submit<[] {
        ::signal(SIGXCPU, SIG_IGN);
        for (std::atomic<unsigned> x{0};; ++x) {
        }
    }>();
    expect_killed(endless, SIGKILL);
    EXPECT_EQ(pool.submit<&test::mix>(1u).get(), test::mix(1));
}

TEST(process_pool_isolation, a_limit_of_processor_time_that_is_too_long_is_none) {
    for (auto const limit : {std::chrono::seconds::max(), std::chrono::seconds(std::chrono::seconds::max() / 1000)}) {
        process_pool_executor pool({.max_workers = 1, .cpu_limit = limit});
        EXPECT_EQ(pool.submit<&soft_limit>(RLIMIT_CPU).get(), soft_limit(RLIMIT_CPU));
    }
}

bool exists(int number) {
    return ::kill(number, 0) == 0 || errno != ESRCH;
}

bool is_zombie(int number) {
    std::FILE* const file = std::fopen(("/proc/" + std::to_string(number) + "/stat").c_str(), "r");
    char state = '?';
    if (file != nullptr) {
        if (std::fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
            state = '?';
        }
        std::fclose(file);
    }
    return state == 'Z';
}

// Plays the part until its workers are busy, and is killed then: they have to end.
void kill_parent(std::string const& part) {
    std::string const self = std::filesystem::read_symlink("/proc/self/exe");
    // The shell says its own number and becomes the program.
    std::FILE* const output = ::popen(("echo $$; exec " + self + " " + part).c_str(), "r");
    ASSERT_NE(output, nullptr);
    int parent = 0;
    int workers[2] = {};
    char word[16] = {};
    ASSERT_EQ(std::fscanf(output, "%d %d %d %15s", &parent, &workers[0], &workers[1], word), 4);
    ASSERT_STREQ(word, "ready");
    for (int const each : workers) {
        EXPECT_TRUE(exists(each));
    }
    ::kill(parent, SIGKILL);
    ::pclose(output);
    for (int const each : workers) {
        while (exists(each) && !is_zombie(each)) {
            std::this_thread::yield();  // fails by the time limit
        }
    }
}

TEST(process_pool_isolation, no_worker_outlives_a_program_that_is_killed) {
    kill_parent(test::k_parent);
}

TEST(process_pool_isolation, no_worker_whose_initializer_gave_up_privileges_outlives_a_program_that_is_killed) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root can become somebody else";
    }
    kill_parent(test::k_parent_of_nobody);
}

void take_all_descriptors() {
    while (::dup(STDIN_FILENO) >= 0) {
    }
}
std::size_t size_of(std::span<std::byte const> bytes) {
    return bytes.size();
}

TEST(process_pool_isolation, job_that_takes_all_descriptors_costs_one_job_with_shared_memory_and_its_worker) {
    process_pool_executor pool({.max_workers = 1});
    std::vector<std::byte> const bytes(100'000);
    pool.submit<&take_all_descriptors>().get();
    EXPECT_THROW(pool.submit<&size_of>(bytes).get(), std::system_error);
    EXPECT_EQ(pool.submit<&size_of>(bytes).get(), bytes.size());
}

}  // namespace
}  // namespace coir
