// SPDX-License-Identifier: BSL-1.0
#include "tests/executors/process/library/library.hpp"
#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

namespace coir {
namespace {

using test::on_one_and_four_workers;

int add(int a, int b) {
    return a + b;
}

int overloaded(int x) {
    return x + 1;
}
std::string overloaded(std::string const& x) {
    return x + "1";
}

template <class T>
T twice(T x) {
    return x + x;
}

void nothing() {}

int own_number() {
    return ::getpid();
}

int answer_noexcept() noexcept {
    return 42;
}

std::string joined(std::string_view a, std::string b, std::string const& c, std::string&& d) {
    return std::string(a) + b + c + d;
}

std::unique_ptr<int> moved(std::unique_ptr<int> p) {
    ++*p;
    return p;
}

struct point {
    int x = 0;
    std::vector<std::string> names;

    template <class Archive>
    void serialize(Archive& ar) {
        ar(x, names);
    }
    friend bool operator==(point const&, point const&) = default;
};

struct empty {
    template <class Archive>
    void serialize(Archive&) {}
};

using everything =
    std::tuple<std::map<std::string, std::vector<int>>, std::optional<point>, std::variant<int, std::string>,
               std::unordered_map<int, std::vector<bool>>, std::vector<empty>, std::pair<double, char>>;

everything back(everything value) {
    return value;
}

std::uint64_t sum_of(std::span<std::byte const> bytes) {
    return std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0},
                           [](std::uint64_t sum, std::byte b) { return sum + static_cast<std::uint64_t>(b); });
}

std::uint64_t sum_of_two(std::span<std::byte const> a, int factor, std::span<std::byte const> b) {
    return sum_of(a) + static_cast<std::uint64_t>(factor) * sum_of(b);
}

bool is_aligned(std::span<std::byte const> bytes) {
    return reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(std::max_align_t) == 0;
}

std::vector<int> many(int count) {
    std::vector<int> result(static_cast<std::size_t>(count));
    std::iota(result.begin(), result.end(), 0);
    return result;
}

std::vector<std::byte> pattern(std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::byte>(i % 251);
    }
    return bytes;
}

TEST(process_pool, runs_functions_in_other_processes) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 2});
        EXPECT_NE(pool.submit<&own_number>().get(), ::getpid());
        EXPECT_EQ(pool.submit<&add>(20, 22).get(), 42);
        pool.submit<&nothing>().get();
        EXPECT_EQ(pool.submit<&answer_noexcept>().get(), 42);
    });
}

TEST(process_pool, works_from_plain_threads) {
    process_pool_executor pool({.max_workers = 2});
    std::vector<future<int>> results;
    results.reserve(50);
    for (int i = 0; i < 50; ++i) {
        results.push_back(pool.submit<&add>(i, i));
    }
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), 2 * i);
    }
}

TEST(process_pool, tells_overloads_templates_and_lambdas_apart) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        EXPECT_EQ((pool.submit<static_cast<int (*)(int)>(&overloaded)>(1).get()), 2);
        EXPECT_EQ((pool.submit<static_cast<std::string (*)(std::string const&)>(&overloaded)>("1").get()), "11");
        EXPECT_EQ(pool.submit<&twice<int>>(4).get(), 8);
        EXPECT_EQ(pool.submit<&twice<std::string>>("ab").get(), "abab");
        EXPECT_EQ((pool.submit<[](int x) { return x + 1; }>(1).get()), 2);
        EXPECT_EQ((pool.submit<[](int x) { return x + 2; }>(1).get()), 3);
        EXPECT_EQ((pool.submit<[](auto x) { return x + x; }>(std::string("y")).get()), "yy");
    });
}

// In a worker of its own, as its standard error goes elsewhere from now on.
void write_to_log(std::string const& path) {
    int const file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, STDERR_FILENO);
    ::close(file);
    std::ios::sync_with_stdio(false);  // else it would not be buffered
    std::clog << "logged";
}

TEST(process_pool, what_a_job_writes_to_the_log_is_there_when_it_has_ended) {
    std::string const path = "/tmp/coir-process-pool-log-" + std::to_string(::getpid());
    process_pool_executor pool({.max_workers = 1});
    pool.submit<&write_to_log>(path).get();
    std::ifstream file(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "logged");
    ::unlink(path.c_str());
}

struct silent : std::exception {
    char const* what() const noexcept override { return nullptr; }
};

TEST(process_pool, an_exception_that_says_nothing_at_all_comes_back_without_a_text) {
    process_pool_executor pool({.max_workers = 1});
    int const worker = pool.submit<&::getpid>().get();
    try {
        pool.submit<[] { throw silent(); }>().get();
        ADD_FAILURE() << "it has a result";
    } catch (remote_exception const& error) {
        EXPECT_NE(error.type_name().find("silent"), std::string::npos);
        EXPECT_STREQ(error.what(), "");
    }
    EXPECT_EQ(pool.submit<&::getpid>().get(), worker);
}

bool is_initialised_by_library() {
    return std::getenv(test::k_initialised_by_library) != nullptr;
}

TEST(process_pool, finds_functions_in_a_library_that_was_loaded_by_a_path_relative_to_another_directory) {
    namespace fs = std::filesystem;
    fs::path const before = fs::current_path();
    fs::path const library = COIR_TEST_LOADED_LIBRARY;
    fs::current_path(library.parent_path());
    void* const loaded = ::dlopen(("./" + library.filename().string()).c_str(), RTLD_NOW | RTLD_LOCAL);
    fs::current_path("/");
    EXPECT_NE(loaded, nullptr) << ::dlerror();
    if (loaded != nullptr) {
        auto const initialise = reinterpret_cast<void (*)()>(::dlsym(loaded, "coir_test_initialise"));
        process_pool_executor pool({.max_workers = 1, .initializer = initialise});
        EXPECT_TRUE(pool.submit<&is_initialised_by_library>().get());
    }
    fs::current_path(before);
}

TEST(process_pool, finds_functions_in_shared_and_static_libraries) {
    process_pool_executor pool({.max_workers = 1});
    EXPECT_EQ(pool.submit<&test::library_triple>(14).get(), 42);
    EXPECT_EQ(pool.submit<&test::static_library_half>(84).get(), 42);
}

TEST(process_pool, values_of_all_kinds_arrive_as_they_were_sent) {
    process_pool_executor pool({.max_workers = 1});
    everything const value{{{"a", {1, 2}}, {"b", {}}}, point{3, {"x", "y"}},     std::string("v"),
                           {{7, {true, false}}},       std::vector<empty>(1000), {2.5, 'c'}};
    auto const got = pool.submit<&back>(value).get();
    EXPECT_EQ(std::get<0>(got), std::get<0>(value));
    EXPECT_EQ(std::get<1>(got), std::get<1>(value));
    EXPECT_EQ(std::get<2>(got), std::get<2>(value));
    EXPECT_EQ(std::get<3>(got), std::get<3>(value));
    EXPECT_EQ(std::get<4>(got).size(), 1000u);
    EXPECT_EQ(std::get<5>(got), std::get<5>(value));
    EXPECT_EQ(pool.submit<&joined>("a", "b", "c", "d").get(), "abcd");
    EXPECT_EQ(*pool.submit<&moved>(std::make_unique<int>(41)).get(), 42);
}

TEST(process_pool, spans_of_bytes_of_any_size_arrive) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 2});
        for (std::size_t const size : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{32 * 1024 - 1},
                                       std::size_t{32 * 1024}, std::size_t{1} << 20, (std::size_t{5} << 20) + 3}) {
            auto const bytes = pattern(size);
            for (int again = 0; again < 3; ++again) {
                EXPECT_EQ(pool.submit<&sum_of>(bytes).get(), sum_of(bytes)) << size;
            }
            EXPECT_EQ(pool.submit<&sum_of_two>(bytes, 3, bytes).get(), 4 * sum_of(bytes)) << size;
            EXPECT_TRUE(pool.submit<&is_aligned>(bytes).get());
        }
    });
}

// The caller's bytes are its own again as soon as submit() has returned.
TEST(process_pool, spans_are_copied_before_submit_returns) {
    process_pool_executor pool({.max_workers = 2});
    std::vector<future<std::uint64_t>> sums;
    std::vector<std::uint64_t> expected;
    std::vector<std::byte> bytes(100'000);
    for (unsigned i = 0; i < 20; ++i) {
        std::fill(bytes.begin(), bytes.end(), static_cast<std::byte>(i));
        expected.push_back(i * bytes.size());
        sums.push_back(pool.submit<&sum_of>(bytes));
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
        EXPECT_EQ(sums[i].get(), expected[i]);
    }
}

TEST(process_pool, results_that_are_kept_do_not_keep_their_arguments) {
    process_pool_executor pool({.max_workers = 1});
    std::vector<std::byte> const bytes(std::size_t{1} << 20);
    std::vector<future<std::uint64_t>> kept;
    auto const mapped = [] {
        std::ifstream maps("/proc/self/maps");
        int count = 0;
        for (std::string line; std::getline(maps, line);) {
            count += line.find("coir-arguments") != std::string::npos ? 1 : 0;
        }
        return count;
    };
    for (int i = 0; i < 20; ++i) {
        kept.push_back(pool.submit<&sum_of>(bytes));
        kept.back().wait();
    }
    EXPECT_LE(mapped(), 2);
}

TEST(process_pool, a_span_too_large_to_be_kept_arrives_too) {
    process_pool_executor pool({.max_workers = 1});
    std::vector<std::byte> const bytes(std::size_t{65} << 20, std::byte{1});
    EXPECT_EQ(
        pool.submit<[](std::span<std::byte const> s) { return s.size() + static_cast<std::size_t>(s.back()); }>(bytes)
            .get(),
        bytes.size() + 1);
}

TEST(process_pool, large_results_come_back) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 2});
        auto a = pool.submit<&many>(3'000'000);
        auto b = pool.submit<&many>(10);
        EXPECT_EQ(b.get(), many(10));
        EXPECT_EQ(a.get(), many(3'000'000));
    });
}

TEST(process_pool, map_gives_results_in_order) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 3});
        std::vector<int> input(40);
        std::iota(input.begin(), input.end(), 0);
        for (std::size_t const buffer_size : {0u, 1u, 4u}) {
            std::vector<int> output;
            for (int const each : pool.map<&twice<int>>(input, map_options{buffer_size})) {
                output.push_back(each);
            }
            ASSERT_EQ(output.size(), input.size());
            for (std::size_t i = 0; i < input.size(); ++i) {
                EXPECT_EQ(output[i], 2 * input[i]);
            }
        }
        int turns = 0;
        for ([[maybe_unused]] auto const each : pool.map<[](int) {}>(std::vector<int>{1, 2, 3})) {
            ++turns;
        }
        EXPECT_EQ(turns, 3);
    });
}

TEST(process_pool, map_with_a_buffer_does_not_run_ahead) {
    process_pool_executor pool({.max_workers = 1});
    std::vector<int> const input(100, 1);
    {
        auto results = pool.map<&twice<int>>(input, {.buffer_size = 3});
        EXPECT_EQ(*results.begin(), 2);
        EXPECT_LE(pool.stats().submitted, 4u);
    }
    pool.submit<&nothing>().get();
    EXPECT_LE(pool.stats().submitted, 5u);
}

TEST(process_pool, run_in_executor_takes_a_process_pool) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 2});
        auto [a, b] = gather(run_in_executor<&add>(pool, 1, 2), run_in_executor<&add>(pool, 3, 4));
        EXPECT_EQ(a + b, 10);
    });
}

TEST(process_pool, jobs_print_where_the_program_prints) {
    testing::internal::CaptureStdout();
    {
        process_pool_executor pool({.max_workers = 1});
        pool.submit<[] { std::printf("from a job"); }>().get();
        EXPECT_EQ(testing::internal::GetCapturedStdout(), "from a job");
    }
}

TEST(process_pool, refuses_jobs_after_its_shutdown_and_runs_what_it_has_accepted) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        std::vector<future<int>> results;
        results.reserve(20);
        for (int i = 0; i < 20; ++i) {
            results.push_back(pool.submit<&twice<int>>(i));
        }
        pool.shutdown();
        EXPECT_THROW(pool.submit<&nothing>(), executor_shut_down);
        for (int i = 0; i < 20; ++i) {
            EXPECT_TRUE(results[static_cast<std::size_t>(i)].done());
            EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), 2 * i);
        }
        pool.shutdown();
        EXPECT_EQ(pool.stats().workers, 0u);
    });
}

TEST(process_pool, replaces_workers_that_have_had_their_share) {
    process_pool_executor pool({.max_workers = 2, .max_jobs_per_worker = 3});
    std::map<int, int> jobs_of;
    for (int round = 0; round < 6; ++round) {
        std::vector<future<int>> numbers;
        numbers.reserve(5);
        for (int i = 0; i < 5; ++i) {
            numbers.push_back(pool.submit<&own_number>());
        }
        for (auto& each : numbers) {
            ++jobs_of[each.get()];
        }
    }
    EXPECT_GE(jobs_of.size(), 10u);
    for (auto const& [number, jobs] : jobs_of) {
        EXPECT_LE(jobs, 3) << number;
    }
}

TEST(process_pool, has_no_more_workers_than_it_may) {
    process_pool_executor pool({.max_workers = 2});
    std::map<int, int> jobs_of;
    std::vector<future<int>> numbers;
    numbers.reserve(100);
    for (int i = 0; i < 100; ++i) {
        numbers.push_back(pool.submit<&own_number>());
    }
    for (auto& each : numbers) {
        ++jobs_of[each.get()];
    }
    EXPECT_LE(jobs_of.size(), 2u);
    EXPECT_THROW(process_pool_executor({.max_workers = 5000}), std::invalid_argument);
}

}  // namespace
}  // namespace coir
