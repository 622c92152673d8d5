// SPDX-License-Identifier: BSL-1.0
// Mirrors core/park/idle.hpp and idle.cpp: all of class idle, driven as a worker's loop and a producer drive it.
//
// The work is a rendezvous: every item, once it runs, blocks its worker until all items run, so each needs a worker of
// its own. If a wake-up is lost, or a worker sleeps over an item while another one is busy, the execution ends in a
// deadlock, which Relacy reports. No wait has a time-out that would hide it.
// The queues of the model have no fences and no locks: only those of idle order a push and a look.
// Wrong variants: no fence in the producer, in the parker, in the last searcher, in claim or in claim_any_sleeper; the
// last searcher to find something never looks on; a parker never looks at every queue.

#include "tests/model/relacy_atomic.hpp"

#include "core/park/idle.hpp"

// A model is one translation unit.
#include "core/park/idle.cpp"

namespace {

using namespace coir::detail;

// Filled by one thread, emptied by all. Holds only a number of items.
class weak_queue {
public:
    void push(unsigned count) { pushed_.store(pushed_.load(memory_order_relaxed) + count, memory_order_relaxed); }

    bool take() {
        unsigned taken = taken_.load(memory_order_relaxed);
        while (taken < pushed_.load(memory_order_relaxed)) {
            if (taken_.compare_exchange_strong(taken, taken + 1, memory_order_relaxed, memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

    bool empty() const { return taken_.load(memory_order_relaxed) >= pushed_.load(memory_order_relaxed); }

private:
    atomic<unsigned> pushed_{0};
    atomic<unsigned> taken_{0};
};

template <unsigned Workers, unsigned Queues, unsigned Items>
struct pool {
    idle idlers{Workers};
    std::array<model_event, Workers> wake_ups;  // each worker's eventfd
    std::array<weak_queue, Queues> queues;
    std::array<model_event, Items> all_run;
    atomic<unsigned> running{0};
    atomic<bool> done{false};

    void wake(int worker) {
        if (worker != idle::k_nobody) {
            wake_ups[static_cast<std::size_t>(worker)].set();
        }
    }

    void produce(unsigned queue, unsigned count) {
        queues[queue].push(count);
        wake(idlers.choose_sleeper_to_wake());
    }

    bool take() {
        for (auto& each : queues) {
            if (each.take()) {
                return true;
            }
        }
        return false;
    }

    bool all_empty() const {
        for (auto const& each : queues) {
            if (!each.empty()) {
                return false;
            }
        }
        return true;
    }

    void run_item() {
        unsigned const arrival = running.fetch_add(1, memory_order_acq_rel);
        if (arrival + 1 < Items) {
            all_run[arrival].wait();
            return;
        }
        for (unsigned other = 0; other + 1 < Items; ++other) {
            all_run[other].set();
        }
        done.store(true, memory_order_relaxed);
        for (;;) {
            int const sleeper = idlers.claim_any_sleeper();
            if (sleeper == idle::k_nobody) {
                break;
            }
            wake(sleeper);
        }
    }

    void work(std::size_t self) {
        bool searching = false;
        bool may_wake_by_itself = true;
        for (;;) {
            searching = searching || idlers.try_start_searching();
            if (searching && take()) {
                if (idlers.stop_searching() && !all_empty()) {
                    wake(idlers.choose_sleeper_to_wake());
                }
                searching = false;
                run_item();
                continue;
            }
            bool const look_everywhere = idlers.prepare_to_park(self, searching);
            searching = false;
            if (done.load(memory_order_relaxed)) {
                (void)idlers.leave_park(self);
                return;
            }
            if (look_everywhere && !all_empty()) {
                idlers.cancel_park(self);
                searching = true;
                continue;
            }
            // Once, it may be up because of a timer or a descriptor, while it is being chosen.
            if (may_wake_by_itself && rl::rand(4) == 0) {
                may_wake_by_itself = false;
            } else {
                wake_ups[self].wait();
            }
            searching = idlers.leave_park(self);
        }
    }
};

// Two outside threads push one item each.
struct two_producers : rl::test_suite<two_producers, 4> {
    pool<2, 2, 2> shared;

    void thread(unsigned index) {
        if (index < 2) {
            shared.work(index);
        } else {
            shared.produce(index - 2, 1);
        }
    }
};

// One outside thread pushes one item after the other.
struct one_by_one : rl::test_suite<one_by_one, 4> {
    pool<3, 1, 2> shared;

    void thread(unsigned index) {
        if (index < 3) {
            shared.work(index);
        } else {
            shared.produce(0, 1);
            shared.produce(0, 1);
        }
    }
};

// Several items, one wake-up: the others must be woken by those who find something.
struct burst : rl::test_suite<burst, 4> {
    pool<3, 1, 3> shared;

    void thread(unsigned index) {
        if (index < 3) {
            shared.work(index);
        } else {
            shared.produce(0, 3);
        }
    }
};

// A worker pushes to its own queue and then is busy itself; meanwhile something comes from outside.
template <unsigned Workers>
struct busy_pusher : rl::test_suite<busy_pusher<Workers>, Workers + 1> {
    pool<Workers, 2, 3> shared;

    void thread(unsigned index) {
        if (index == 0) {
            shared.queues[0].push(1);
            shared.wake(shared.idlers.choose_sleeper_to_wake());
            shared.run_item();
        }
        if (index < Workers) {
            shared.work(index);
        } else {
            shared.produce(1, 1);
        }
    }
};

// A message to one sleeper, who must see it before it blocks or be woken.
struct message : rl::test_suite<message, 2> {
    idle idlers{1};
    model_event wake_up;
    atomic<int> inbox{0};

    void thread(unsigned index) {
        if (index == 1) {
            inbox.store(1, memory_order_relaxed);
            if (idlers.claim(0)) {
                wake_up.set();
            }
            return;
        }
        bool claimed = false;
        while (inbox.load(memory_order_relaxed) == 0) {
            RL_ASSERT(!claimed);
            (void)idlers.prepare_to_park(0, false);
            if (inbox.load(memory_order_relaxed) == 0) {
                wake_up.wait();
                claimed = true;
            }
            RL_ASSERT(!idlers.leave_park(0));
        }
    }
};

}  // namespace

int main() {
    return model_main({"idle_producer", "idle_parker", "idle_searcher", "idle_last_searcher", "idle_last_look",
                       "idle_claim", "idle_claim_any"},
                      [] {
                          model_options const options{.iterations = 100'000};
                          return model_holds<two_producers>(options) && model_holds<one_by_one>(options) &&
                                 model_holds<burst>(options) && model_holds<busy_pusher<3>>(options) &&
                                 model_holds<busy_pusher<4>>(options) && model_holds<message>(options);
                      });
}
