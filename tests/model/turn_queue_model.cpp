// SPDX-License-Identifier: BSL-1.0
// Mirrors core/queue/turn_queue.hpp: three threads enter two items each; who has the turn runs what leave() gives it.
// Holds: each item has the turn once, never two at a time, and sees what its comer wrote into it; items of one comer come
// in their order; the turn is free in the end.
// Wrong variants: a turn that is taken or left without ordering, an item that is queued without it.

#include "tests/model/relacy_atomic.hpp"

#include "core/queue/turn_queue.hpp"

namespace {

using namespace coir::detail;

struct item {
    item* queue_next = nullptr;
    model_var<int> payload;
    model_var<int> ran_at{0};
};

struct three_comers : rl::test_suite<three_comers, 3> {
    static constexpr unsigned k_each = 2;

    turn_queue<item> queue;
    std::array<item, 3 * k_each> items;
    model_var<int> plain{0};  // what only the one with the turn touches

    void run(item* one) {
        while (one != nullptr) {
            RL_ASSERT(one->payload.load() == 1);
            RL_ASSERT(one->ran_at.load() == 0);
            int const now = plain.load() + 1;
            plain.store(now);
            one->ran_at.store(now);
            one = queue.leave();
        }
    }

    void thread(unsigned index) {
        for (unsigned i = index * k_each; i != (index + 1) * k_each; ++i) {
            items[i].payload.store(1);
            if (queue.enter(items[i])) {
                run(&items[i]);
            }
        }
    }

    void after() {
        RL_ASSERT(plain.load() == 3 * k_each);
        for (unsigned i = 0; i != 3 * k_each; i += k_each) {
            RL_ASSERT(items[i].ran_at.load() < items[i + 1].ran_at.load());
        }
        item last;
        RL_ASSERT(queue.enter(last));
        RL_ASSERT(!queue.has_waiting());
        RL_ASSERT(queue.leave() == nullptr);
    }
};

}  // namespace

int main() {
    return model_main({"turn_take", "turn_queue", "turn_free"},
                      [] { return model_holds<three_comers>({.iterations = 200'000}); });
}
