// SPDX-License-Identifier: BSL-1.0
#include "core/base/thread_name.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include <pthread.h>

namespace coir::detail {
namespace {

template <class... Args>
std::string name_given_by(Args... args) {
    std::string name;
    std::thread([&] {
        name_this_thread(args...);
        char buffer[64] = {};
        EXPECT_EQ(::pthread_getname_np(::pthread_self(), buffer, sizeof buffer), 0);
        name = buffer;
    }).join();
    return name;
}

TEST(name_this_thread, joins_prefix_and_number) {
    EXPECT_EQ(name_given_by("pool", 7u), "pool-7");
    EXPECT_EQ(name_given_by("", 7u), "-7");
}

TEST(name_this_thread, shortens_the_prefix_and_never_the_number) {
    EXPECT_EQ(name_given_by("a-name-that-is-far-too-long", 12345u), "a-name-th-12345");
    EXPECT_EQ(name_given_by("a-name-that-is-far-too-long", std::string_view("keeper")), "a-name-t-keeper");
}

}  // namespace
}  // namespace coir::detail
