// SPDX-License-Identifier: BSL-1.0
// Mirrors core/queue/deque.hpp: deque_owner::push and deque::make_room against two thieves in deque_thief::steal.
// The owner pushes into a ring of two slots until it has grown twice; thieves may hold an outgrown ring meanwhile.
// Holds: each item is taken once, with what its producer wrote into it visible to the taker.
// Wrong variants: the ring published or read relaxed, the bottom published relaxed.

#include "tests/model/relacy_atomic.hpp"

#include "core/queue/deque.hpp"

namespace {

using namespace coir::detail;

constexpr std::size_t k_items = 5;

struct item {
    model_var<int> payload;
    model_var<int> taken;
};

struct growing_under_thieves : rl::test_suite<growing_under_thieves, 3> {
    deque<item> queue{deque_options{.capacity = 2}};
    std::array<item, k_items> items;

    void before() {
        for (auto& each : items) {
            each.taken.store(0);
        }
    }

    static void take(item* one) {
        RL_ASSERT(one != nullptr);
        RL_ASSERT(one->payload.load() == 1);
        RL_ASSERT(one->taken.load() == 0);
        one->taken.store(1);
    }

    void thread(unsigned index) {
        if (index == 0) {
            for (auto& each : items) {
                each.payload.store(1);
                queue.owner().push(&each);
            }
        } else {
            for (int attempt = 0; attempt != 3; ++attempt) {
                auto const stolen = queue.thief().steal();
                if (stolen.status == steal_status::item) {
                    take(stolen.item);
                }
            }
        }
    }

    void after() {
        while (item* const rest = queue.owner().take_front()) {
            take(rest);
        }
        for (auto& each : items) {
            RL_ASSERT(each.taken.load() == 1);
        }
    }
};

}  // namespace

int main() {
    return model_main({"deque_grow", "deque_ring", "deque_push"},
                      [] { return model_holds<growing_under_thieves>({.iterations = 200'000}); });
}
