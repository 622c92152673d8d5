// SPDX-License-Identifier: BSL-1.0
#include "core/queue/fork_stack.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace {

using coir::detail::fork_stack;

constexpr std::uint32_t k_room = 8;

// As a worker puts a call off. Returns what was given away before it.
std::vector<int*> put_off(fork_stack<int>& stack, int& item) {
    std::vector<int*> given;
    if (!stack.push(&item)) {
        stack.give_if_asked([&given](int& oldest) { given.push_back(&oldest); });
        EXPECT_TRUE(stack.push_slowly(&item, k_room, false));
    }
    return given;
}

TEST(fork_stack, gives_nothing_unasked) {
    fork_stack<int> stack;
    std::array<int, 3> items{};
    for (int& item : items) {
        EXPECT_TRUE(put_off(stack, item).empty());
    }
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(stack.pop());
    }
    EXPECT_FALSE(stack.holds_any());
}

TEST(fork_stack, gives_the_oldest_at_the_next_push_once) {
    fork_stack<int> stack;
    std::array<int, 4> items{};
    put_off(stack, items[0]);
    put_off(stack, items[1]);
    stack.ask();
    EXPECT_TRUE(stack.holds_any());
    EXPECT_EQ(put_off(stack, items[2]), std::vector<int*>{&items[0]});
    EXPECT_TRUE(put_off(stack, items[3]).empty());
    EXPECT_TRUE(stack.pop());
    EXPECT_TRUE(stack.pop());
    EXPECT_TRUE(stack.pop());
    EXPECT_FALSE(stack.holds_any());
}

TEST(fork_stack, that_is_asked_when_it_is_empty_gives_nothing_and_goes_on) {
    fork_stack<int> stack;
    std::array<int, 3> items{};
    put_off(stack, items[0]);
    EXPECT_TRUE(stack.pop());
    stack.ask();
    EXPECT_TRUE(put_off(stack, items[1]).empty());
    EXPECT_TRUE(put_off(stack, items[2]).empty());
    EXPECT_TRUE(stack.pop());
    EXPECT_TRUE(stack.pop());
}

TEST(fork_stack, gives_one_to_whoever_asks_and_another_to_whoever_takes) {
    fork_stack<int> stack;
    std::array<int, 4> items{};
    put_off(stack, items[0]);
    put_off(stack, items[1]);
    put_off(stack, items[2]);
    stack.ask();
    int* taken = nullptr;
    EXPECT_TRUE(stack.take_oldest([&taken](int& item) {
        taken = &item;
        return true;
    }));
    EXPECT_EQ(taken, &items[0]);
    EXPECT_EQ(put_off(stack, items[3]), std::vector<int*>{&items[1]});
    EXPECT_TRUE(stack.pop());
    EXPECT_TRUE(stack.pop());
    EXPECT_FALSE(stack.holds_any());
}

TEST(fork_stack, gives_more_than_it_has_room_for_in_the_course_of_time) {
    fork_stack<int> stack;
    std::array<int, 2> items{};
    for (int round = 0; round < 100; ++round) {
        put_off(stack, items[0]);
        stack.ask();
        EXPECT_EQ(put_off(stack, items[1]), std::vector<int*>{&items[0]});
        EXPECT_TRUE(stack.pop());
        EXPECT_FALSE(stack.holds_any());
    }
}

}  // namespace
