// SPDX-License-Identifier: BSL-1.0
#include "core/base/fault.hpp"

#if COIR_FAULT_POINTS

#include <coir/core/base/assert.hpp>
#include <coir/core/base/config.hpp>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <new>

#include <sched.h>

namespace coir::detail {
namespace {

constexpr auto k_points = static_cast<std::size_t>(fault_point::count_);
constexpr std::uint64_t k_longest_nap = 50'000;  // nanoseconds
constexpr std::uint64_t k_longest_spin = 2'000;

struct alignas(k_false_sharing_range) place {
    std::atomic<std::uint32_t> one_in{0};
    std::atomic<std::uint64_t> visits{0};
    std::atomic<std::uint64_t> hits{0};
    std::atomic<std::uint64_t> last_hit{0};  // no more hits than this
};

constinit place places[k_points];
constinit std::atomic<std::uint64_t> seed_of_plan{0};
constinit std::atomic<bool> plan_lives{false};

place& place_of(fault_point point) noexcept {
    return places[static_cast<std::size_t>(point)];
}

// The finaliser of SplitMix64 (Steele, Lea and Flood 2014), over the seed, the place and the number of the visit.
std::uint64_t random_at(fault_point point, std::uint64_t visit) noexcept {
    std::uint64_t z = seed_of_plan.load(std::memory_order_relaxed) + (static_cast<std::uint64_t>(point) << 56);
    z += (visit + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// 0, or a random number that is not 0 and independent of whether it strikes.
std::uint64_t strike(fault_point point) noexcept {
    place& here = place_of(point);
    std::uint32_t const one_in = here.one_in.load(std::memory_order_relaxed);
    if (one_in == 0) {
        return 0;
    }
    std::uint64_t const random = random_at(point, here.visits.fetch_add(1, std::memory_order_relaxed));
    if ((random >> 32) % one_in != 0) {
        return 0;
    }
    std::uint64_t hits = here.hits.load(std::memory_order_relaxed);
    do {
        if (hits >= here.last_hit.load(std::memory_order_relaxed)) {
            return 0;
        }
    } while (!here.hits.compare_exchange_weak(hits, hits + 1, std::memory_order_relaxed));
    return (random & 0xffffffffu) + 1;
}

}  // namespace

char const* name_of(fault_point point) noexcept {
    static constexpr char const* k_names[k_points] = {"yield",
                                                      "migrate",
                                                      "steal",
                                                      "delay_publish",
                                                      "delay_wake",
                                                      "delay_park",
                                                      "delay_sleep",
                                                      "delay_steal",
                                                      "take_over",
                                                      "delay_time_out",
                                                      "delay_cancel",
                                                      "delay_event",
                                                      "poll_interrupted",
                                                      "connect_interrupted",
                                                      "read_interrupted",
                                                      "write_interrupted",
                                                      "read_not_ready",
                                                      "write_not_ready",
                                                      "read_short",
                                                      "write_short",
                                                      "accept_no_descriptor",
                                                      "watch_no_memory",
                                                      "stack_memory",
                                                      "record_memory",
                                                      "queue_memory",
                                                      "timer_memory"};
    return k_names[static_cast<std::size_t>(point)];
}

fault_plan::fault_plan(std::uint64_t seed) noexcept {
    COIR_VERIFY(!plan_lives.exchange(true));
    seed_of_plan.store(seed, std::memory_order_relaxed);
    for (place& p : places) {
        p.visits.store(0, std::memory_order_relaxed);
        p.hits.store(0, std::memory_order_relaxed);
    }
}

fault_plan::~fault_plan() {
    for (place& p : places) {
        p.one_in.store(0, std::memory_order_relaxed);
    }
    plan_lives.store(false);
}

fault_plan& fault_plan::set(fault_point point, unsigned one_in, std::uint64_t most) noexcept {
    place& p = place_of(point);
    std::uint64_t const hits = p.hits.load(std::memory_order_relaxed);
    p.last_hit.store(most > k_unlimited - hits ? k_unlimited : hits + most, std::memory_order_relaxed);
    p.one_in.store(one_in, std::memory_order_relaxed);
    return *this;
}

fault_plan& fault_plan::set(std::initializer_list<fault_point> points, unsigned one_in) noexcept {
    for (fault_point const point : points) {
        set(point, one_in);
    }
    return *this;
}

std::uint64_t fault_plan::visits(fault_point point) noexcept {
    return place_of(point).visits.load(std::memory_order_relaxed);
}

std::uint64_t fault_plan::hits(fault_point point) noexcept {
    return place_of(point).hits.load(std::memory_order_relaxed);
}

bool fault_strikes(fault_point point) noexcept {
    return strike(point) != 0;
}

// Opaque: it reads errno, and callers may be on another thread the next time.
COIR_NOIPA void fault_delay(fault_point point) noexcept {
    std::uint64_t const random = strike(point);
    if (random == 0) {
        return;
    }
    int const error = errno;
    switch (random % 4) {
    case 0: {
        timespec const nap{0, static_cast<long>(random / 4 % k_longest_nap)};
        ::nanosleep(&nap, nullptr);
        break;
    }
    case 1:
        ::sched_yield();
        break;
    default:
        for (std::uint64_t spin = random / 4 % k_longest_spin; spin != 0; --spin) {
            spin_pause();
        }
    }
    errno = error;
}

std::size_t fault_shortened(fault_point point, std::size_t size) noexcept {
    if (size < 2) {
        return size;
    }
    std::uint64_t const random = strike(point);
    return random == 0 ? size : 1 + random % (size - 1);
}

void fault_no_memory(fault_point point) {
    if (fault_strikes(point)) {
        throw std::bad_alloc();
    }
}

}  // namespace coir::detail

#endif
