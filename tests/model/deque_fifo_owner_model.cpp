// SPDX-License-Identifier: BSL-1.0
// Mirrors core/queue/deque.hpp: deque_owner::push and take_front, the way a worker uses its deque, against a thief in
// deque_thief::steal and one in steal_half (with deque_owner::reserve on its own deque).
// Holds: each item is taken once, with what its producer wrote into it visible to the taker, and every taker gets the
// items in the order in which they were pushed.
// Wrong variants: the bottom published relaxed, the ring published relaxed.

#include "tests/model/relacy_atomic.hpp"

#include "core/queue/deque.hpp"

namespace {

using namespace coir::detail;

constexpr int k_items = 5;

struct item {
    model_var<int> number;
    model_var<int> taken{0};
};

struct fifo_owner : rl::test_suite<fifo_owner, 3> {
    deque<item> queue{deque_options{.capacity = 2}};
    deque<item> thiefs_own{deque_options{.capacity = 2}};
    std::array<item, k_items> items;

    static int take(item* one, int previous) {
        RL_ASSERT(one != nullptr);
        int const number = one->number.load();
        RL_ASSERT(number > previous);
        RL_ASSERT(one->taken.load() == 0);
        one->taken.store(1);
        return number;
    }

    void thread(unsigned index) {
        int previous = -1;
        if (index == 0) {
            for (int number = 0; number != k_items; ++number) {
                items[static_cast<std::size_t>(number)].number.store(number);
                queue.owner().push(&items[static_cast<std::size_t>(number)]);
                if (number % 2 == 1) {
                    if (item* const own = queue.owner().take_front()) {
                        previous = take(own, previous);
                    }
                }
            }
        } else if (index == 1) {
            for (int attempt = 0; attempt != 3; ++attempt) {
                auto const stolen = queue.thief().steal();
                if (stolen.status == steal_status::item) {
                    previous = take(stolen.item, previous);
                }
            }
        } else {
            auto const stolen = queue.thief().steal_half(thiefs_own.owner(), 3);
            if (stolen.status == steal_status::item) {
                previous = take(stolen.item, previous);
            }
            std::size_t moved = 0;
            while (item* const own = thiefs_own.owner().take_front()) {
                previous = take(own, previous);
                ++moved;
            }
            RL_ASSERT(moved == stolen.moved);
        }
    }

    void after() {
        int previous = -1;
        while (item* const rest = queue.owner().take_front()) {
            previous = take(rest, previous);
        }
        for (auto& each : items) {
            RL_ASSERT(each.taken.load() == 1);
        }
    }
};

}  // namespace

int main() {
    return model_main({"deque_push", "deque_grow"}, [] { return model_holds<fifo_owner>({.iterations = 200'000}); });
}
