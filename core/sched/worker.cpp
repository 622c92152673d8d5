// SPDX-License-Identifier: BSL-1.0
#include "core/sched/worker.hpp"

#include "core/base/thread_name.hpp"
#include "core/sched/cores.hpp"
#include "core/sched/scheduler.hpp"
#include "core/task/strand_state.hpp"

#include <coir/core/base/tls.hpp>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace coir::detail {
namespace {

// Ids are taken from the process's counter in blocks, so that spawning does not contend for it.
constexpr std::uint64_t k_id_block = 4096;

// Spreads seeds that differ in few bits (the finaliser of SplitMix64, Steele, Lea and Flood 2014). Never 0, from which
// next_random() would not get away.
std::uint64_t first_random(std::uint64_t seed) noexcept {
    std::uint64_t z = seed + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) | 1;
}

// Of the size of the stacks, 0 for the default.
std::size_t three_quarters(std::size_t stack_size) noexcept {
    std::size_t const size = stack_size != 0 ? stack_size : k_default_stack_size;
    return size - size / 4;
}

// -1: none.
int core_for(unsigned index) {
    auto const cores = allowed_cores();
    return cores.empty() ? -1 : static_cast<int>(cores[index % cores.size()]);
}

void pin_this_thread(int core) noexcept {
    if (core < 0) {
        return;
    }
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(static_cast<unsigned>(core), &mask);
    ::pthread_setaffinity_np(::pthread_self(), sizeof mask, &mask);
}

}  // namespace

std::uint64_t take_task_ids(std::uint64_t count) noexcept {
    static std::atomic<std::uint64_t> next{1};
    return next.fetch_add(count, std::memory_order_relaxed);
}

worker::worker(scheduler& home, unsigned index)
    : home_(home), index_(index), shared_(home.worker_count() > 1), seeded_(home.options().seed.has_value()),
      room_in_place_(three_quarters(home.options().stack_size)),
      random_(first_random(home.options().seed.value_or(index))), queue_(deque_options{.shared = shared_}) {
    if (home.options().pin_workers) {
        core_ = core_for(index);
    }
    forks_.idlers = &home.idlers();
    fill_reserve();
}

worker::~worker() {
    home_.fibers().give_back(idle_fibers_, idle_fibers_.size());
}

void worker::take_this_thread() noexcept {
    set_this_worker(this);
    set_this_fork_place(&forks_);
    set_this_record_cache(&records_);
}

void worker::leave_this_thread() noexcept {
    set_this_worker(nullptr);
    set_this_fork_place(nullptr);
    set_this_record_cache(nullptr);
}

fiber_thread* worker::carry(fiber& own) noexcept {
    attach_to_this_thread(own);
    take_this_thread();
    name_this_thread(home_.name_of_threads(), index_);
    pin_this_thread(core_);
    last_turn_ = std::chrono::steady_clock::now();
    thread_id_.store(static_cast<pid_t>(::syscall(SYS_gettid)), std::memory_order_relaxed);
    rests_.store(false, std::memory_order_seq_cst);
    home_.wait_until_not_kept_down();
    home_.watcher().worker_is_up();
    fiber_thread* const arrived = switch_fiber(this, idle_fibers_.pop());
    if (arrived == this) {
        after_switch();
        rests_.store(true, std::memory_order_release);
        leave_this_thread();
    }
    return arrived;
}

void worker::arrive(fiber_thread* thread) noexcept {
    static_cast<worker*>(thread)->after_switch();
}

void worker::keep_a_spare_thread() {
    if (spare_ == nullptr) {
        spare_ = &home_.threads().reserve();
    }
}

void worker::release_spare_thread() noexcept {
    if (spare_ != nullptr) {
        home_.threads().give_back(*std::exchange(spare_, nullptr));
    }
}

void worker::leave_thread() noexcept {
    set_current(nullptr);
    leave_this_thread();
}

void worker::come_back_to(task_base& task) noexcept {
    take_this_thread();
    set_current(&task);
}

void worker::hand_over_to_spare() noexcept {
    carrier& next = *std::exchange(spare_, nullptr);
    home_.threads().hand_over(*this, next);
}

bool worker::hand_over_section(std::uint64_t number) noexcept {
    if (!section_.take(number)) {
        return false;
    }
    hand_over_to_spare();
    return true;
}

// It has been counted.
void worker::push_new_into_full(task_base& task) {
    try {
        queue_.owner().push(&task);
    } catch (...) {
        counters_.tasks_spawned.add(~std::uint64_t{0});
        throw;
    }
    wake_another();
}

void worker::push_new_on_strand(task_base& task) noexcept {
    counters_.tasks_spawned.add(1);
    if (task.strand().enter(task)) {
        push_queue(task);
        wake_another();
    }
}

void worker::take_ids() noexcept {
    next_id_ = take_task_ids(k_id_block);
    ids_end_ = next_id_ + k_id_block;
}

}  // namespace coir::detail
