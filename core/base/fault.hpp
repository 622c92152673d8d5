// SPDX-License-Identifier: BSL-1.0
#pragma once

// Fault points: named places at which a test can have happen, by seed and rate, what hardly ever does. A place that is
// asked costs nothing in a build without them (COIR_FAULT_POINTS=0, the default): the macros below are constants then, and
// what stands behind them is gone. In a build with them a place is one relaxed load as long as no plan lives. The idea is
// FoundationDB's BUGGIFY (Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value Store", 2021).
//
// Whether a place strikes is decided by (seed, place, how often it was asked): with one thread a seed replays exactly, with
// several the same visits strike, whoever makes them. No thread-local state, no order between threads: the counters are
// relaxed, so that ThreadSanitizer sees no edge that is not there without them.

#ifndef COIR_FAULT_POINTS
#define COIR_FAULT_POINTS 0
#endif

#if COIR_FAULT_POINTS

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace coir::detail {

/// What can happen, and where.
enum class fault_point : std::uint8_t {
    yield,           ///< a suspension point that need not wait lets others have a turn
    migrate,         ///< a task that is ready goes to the queue of all workers
    steal,           ///< a worker looks at the others' queues before its own
    delay_publish,   ///< a task has left its stack, and cannot be woken yet
    delay_wake,      ///< a waiter was chosen, and is not ready yet
    delay_park,      ///< a worker has announced its sleep; a second time: has looked once more, and does not sleep yet
    delay_sleep,     ///< the same of a plain thread
    delay_steal,     ///< a thief has read the oldest item, and has not taken it yet
    take_over,       ///< the monitor does the work of a worker that nobody keeps
    delay_time_out,  ///< waiters whose time is over were chosen, and are not woken yet
    delay_cancel,    ///< a cancellation goes to what its task waits for, and is not there yet
    delay_event,     ///< a descriptor is known to be ready, and who waits for it is not chosen yet

    poll_interrupted,  ///< EINTR
    connect_interrupted,
    read_interrupted,
    write_interrupted,
    read_not_ready,        ///< EAGAIN, and the poller announces the descriptor again; accept(2) reads, too
    write_not_ready,       ///< connecting writes, too
    read_short,            ///< asks for fewer bytes than the caller has room for
    write_short,           ///< offers fewer bytes than the caller has
    accept_no_descriptor,  ///< EMFILE
    watch_no_memory,       ///< ENOMEM where a descriptor is registered with a poller

    stack_memory,   ///< ENOMEM from the mmap of a slab of stacks, or of a signal stack
    record_memory,  ///< std::bad_alloc: records of tasks and futures
    queue_memory,   ///< std::bad_alloc: a worker's queue is to grow
    timer_memory,   ///< std::bad_alloc: room for a deadline
    count_
};

/// What changes only who runs when.
inline constexpr std::initializer_list<fault_point> k_scheduling_faults{
    fault_point::yield,      fault_point::migrate,        fault_point::steal,        fault_point::delay_publish,
    fault_point::delay_wake, fault_point::delay_park,     fault_point::delay_sleep,  fault_point::delay_steal,
    fault_point::take_over,  fault_point::delay_time_out, fault_point::delay_cancel, fault_point::delay_event};

/// What a correct system may do to any operation on a descriptor, and nobody but coir may notice.
inline constexpr std::initializer_list<fault_point> k_io_faults{
    fault_point::poll_interrupted,  fault_point::connect_interrupted, fault_point::read_interrupted,
    fault_point::write_interrupted, fault_point::read_not_ready,      fault_point::write_not_ready,
    fault_point::read_short,        fault_point::write_short};

char const* name_of(fault_point point) noexcept;

/// Makes places strike as long as it lives. One at a time in the process; any thread. Set the rates while nothing runs that
/// shall be replayed.
class fault_plan {
public:
    static constexpr std::uint64_t k_unlimited = std::numeric_limits<std::uint64_t>::max();

    explicit fault_plan(std::uint64_t seed) noexcept;
    fault_plan(fault_plan const&) = delete;
    fault_plan& operator=(fault_plan const&) = delete;
    ~fault_plan();

    /// From now on about one visit in `one_in` strikes, at most `most` more of them. 0: none. 1: every one.
    fault_plan& set(fault_point point, unsigned one_in, std::uint64_t most = k_unlimited) noexcept;
    fault_plan& set(std::initializer_list<fault_point> points, unsigned one_in) noexcept;

    /// How often the place was asked while it had a rate, and how often it struck, since the plan began.
    static std::uint64_t visits(fault_point point) noexcept;
    static std::uint64_t hits(fault_point point) noexcept;
};

/// Does the place strike this time? Any thread.
bool fault_strikes(fault_point point) noexcept;
/// If it strikes: keeps the thread for some instructions, a turn of the others, or up to 50 µs.
void fault_delay(fault_point point) noexcept;
/// `size`, or if it strikes a smaller one, but not 0.
std::size_t fault_shortened(fault_point point, std::size_t size) noexcept;
/// If it strikes: throws std::bad_alloc.
void fault_no_memory(fault_point point);

}  // namespace coir::detail

#define COIR_FAULT(point) (::coir::detail::fault_strikes(::coir::detail::fault_point::point))
#define COIR_FAULT_DELAY(point) ::coir::detail::fault_delay(::coir::detail::fault_point::point)
#define COIR_FAULT_SHORTEN(point, size)                                                                                \
    ((size) = ::coir::detail::fault_shortened(::coir::detail::fault_point::point, (size)))
#define COIR_FAULT_NO_MEMORY(point) ::coir::detail::fault_no_memory(::coir::detail::fault_point::point)

#else

/// An expression of type bool.
#define COIR_FAULT(point) false
// Statements.
#define COIR_FAULT_DELAY(point) static_cast<void>(0)
#define COIR_FAULT_SHORTEN(point, size) static_cast<void>(0)
#define COIR_FAULT_NO_MEMORY(point) static_cast<void>(0)

#endif
