// SPDX-License-Identifier: BSL-1.0
// Mirrors core/queue/deque.hpp: deque_owner::take_back and take_front against two thieves in deque_thief::steal, with
// so few items that they meet at the last one (invariant 5 there).
// Holds: each item is taken once, with what its producer wrote into it visible to the taker; the deque is empty then.
// Wrong variants: take_back or steal without its full fence.

#include "tests/model/relacy_atomic.hpp"

#include "core/queue/deque.hpp"

namespace {

using namespace coir::detail;

struct item {
    model_var<int> payload;
    model_var<int> taken{0};
};

template <std::size_t Items>
struct takers {
    deque<item> queue{deque_options{.capacity = 4}};
    std::array<item, Items> items;

    static void take(item* one) {
        RL_ASSERT(one != nullptr);
        RL_ASSERT(one->payload.load() == 1);
        RL_ASSERT(one->taken.load() == 0);
        one->taken.store(1);
    }

    void push(std::size_t which) {
        items[which].payload.store(1);
        queue.owner().push(&items[which]);
    }

    void try_to_steal(int attempts) {
        for (int attempt = 0; attempt != attempts; ++attempt) {
            auto const stolen = queue.thief().steal();
            if (stolen.status == steal_status::item) {
                take(stolen.item);
            }
        }
    }

    void check() {
        while (item* const rest = queue.owner().take_back()) {
            take(rest);
        }
        for (auto& each : items) {
            RL_ASSERT(each.taken.load() == 1);
        }
        RL_ASSERT(queue.owner().empty());
    }
};

struct owner_takes_back : rl::test_suite<owner_takes_back, 3> {
    takers<3> shared;

    void thread(unsigned index) {
        if (index == 0) {
            shared.push(0);
            shared.push(1);
            for (int round = 0; round != 2; ++round) {
                if (item* const own = shared.queue.owner().take_back()) {
                    shared.take(own);
                }
            }
            shared.push(2);
            if (item* const own = shared.queue.owner().take_back()) {
                shared.take(own);
            }
        } else {
            shared.try_to_steal(2);
        }
    }

    void after() { shared.check(); }
};

struct owner_takes_at_both_ends : rl::test_suite<owner_takes_at_both_ends, 3> {
    takers<4> shared;

    void thread(unsigned index) {
        if (index == 0) {
            shared.push(0);
            shared.push(1);
            shared.push(2);
            if (item* const own = shared.queue.owner().take_front()) {
                shared.take(own);
            }
            if (item* const own = shared.queue.owner().take_back()) {
                shared.take(own);
            }
            shared.push(3);
            if (item* const own = shared.queue.owner().take_back()) {
                shared.take(own);
            }
            if (item* const own = shared.queue.owner().take_front()) {
                shared.take(own);
            }
        } else {
            shared.try_to_steal(2);
        }
    }

    void after() { shared.check(); }
};

}  // namespace

int main() {
    return model_main({"deque_take_back", "deque_steal"}, [] {
        return model_holds<owner_takes_back>({.iterations = 200'000}) &&
               model_holds<owner_takes_at_both_ends>({.iterations = 200'000});
    });
}
