// SPDX-License-Identifier: BSL-1.0
// Mirrors core/queue/fork_stack.hpp: an owner that puts calls off, two deep, and takes them back, or gives all away, while
// two thieves ask for the oldest and take it. An asymmetric fence is a full one on both sides here.
// Holds: each call is run once, by somebody who sees what its owner wrote into it; an owner that does not get a call back
// sees who has it.
// Wrong variants: push without release, pop or take_oldest without their fence.

#include "tests/model/relacy_atomic.hpp"

#include "core/queue/fork_stack.hpp"

namespace {

using namespace coir::detail;

struct call {
    model_var<int> payload;
    model_var<int> ran{0};
    atomic<bool> given{false};

    void run() {
        RL_ASSERT(payload.load() == 1);
        RL_ASSERT(ran.load() == 0);
        ran.store(1);
    }
};

constexpr unsigned k_rounds = 2;
constexpr unsigned k_deep = 2;

struct owner_and_thieves : rl::test_suite<owner_and_thieves, 3> {
    fork_stack<call, model_mutex> stack;
    std::array<call, k_rounds * k_deep> calls;

    void before() {
        // Room, as the first push makes it.
        call first;
        RL_ASSERT(stack.push_slowly(&first, k_deep + 1, false));
        RL_ASSERT(stack.pop());
    }

    // It becomes a task at once.
    static void give_away(call& one) {
        RL_ASSERT(!one.given.load(memory_order_relaxed));
        one.given.store(true, memory_order_relaxed);
        one.run();
    }

    void put_off(call& one) {
        one.payload.store(1);
        if (stack.push(&one)) {
            return;
        }
        stack.give_if_asked(&give_away);
        if (!stack.push_slowly(&one, k_deep + 1, false)) {
            give_away(one);
        }
    }

    void take_back(call& one) {
        if (!one.given.load(memory_order_acquire) && stack.pop()) {
            one.run();
        } else {
            RL_ASSERT(one.given.load(memory_order_relaxed));
        }
    }

    void own() {
        // One round in which both are taken back, one in which the owner suspends after the first.
        put_off(calls[0]);
        put_off(calls[1]);
        take_back(calls[1]);
        take_back(calls[0]);
        put_off(calls[2]);
        put_off(calls[3]);
        stack.take_all(&give_away);
        RL_ASSERT(stack.surely_empty());
        RL_ASSERT(calls[2].given.load(memory_order_relaxed) && calls[3].given.load(memory_order_relaxed));
    }

    void steal() {
        for (int attempt = 0; attempt != 2; ++attempt) {
            stack.ask();
            call* taken = nullptr;
            bool const got = stack.take_oldest([&taken](call& one) {
                one.given.store(true, memory_order_release);
                taken = &one;
                return true;
            });
            RL_ASSERT(got == (taken != nullptr));
            if (got) {
                taken->run();
            }
        }
    }

    void thread(unsigned index) { index == 0 ? own() : steal(); }

    void after() {
        for (call& one : calls) {
            RL_ASSERT(one.ran.load() == 1);
        }
    }
};

}  // namespace

int main() {
    return model_main({"fork_push", "fork_pop", "fork_take"},
                      [] { return model_holds<owner_and_thieves>({.iterations = 200'000}); });
}
