// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/stack_pool.hpp"

#include <coir/core/base/assert.hpp>
#include <coir/core/base/config.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>

#include <sys/mman.h>
#include <sys/resource.h>

#if COIR_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace coir::detail {
namespace {

// A program with a handful of tasks gets a small slab, one with a million few mappings: sizes double in between.
constexpr std::size_t k_first_slab = 16;
constexpr std::size_t k_largest_slab = 1024;
constexpr std::size_t k_largest_slab_bytes = std::size_t{256} << 20;

// The frames near the top of a stack are the ones that every switch touches. If all tops lay at the same offset in
// their page, all of these would fall into the same few sets of the L1 cache. Measured (README.md): 16 colours gain
// little more and take twice the room.
constexpr std::size_t k_colours = 8;
constexpr std::size_t k_colour_step = 128;

// The register: pushed onto under the lock, never shortened.
constinit spin_mutex register_lock;
constinit stack_pool* register_head = nullptr;

void move_back(std::vector<std::byte*>& from, std::span<std::byte*> to) noexcept {
    for (std::byte*& slot : to) {
        slot = from.back();
        from.pop_back();
    }
}

// In the order in which move_back took them, so that they come out in it again.
void put_back(std::vector<std::byte*>& to, std::span<std::byte* const> from) noexcept {
    to.insert(to.end(), from.rbegin(), from.rend());
}

// An idle stack is poisoned, so that AddressSanitizer reports whoever still uses one; a new owner starts with a clean
// one, whatever the frames of the last owner, which may have been left by a jump, had poisoned.
void mark_idle([[maybe_unused]] std::byte* low, [[maybe_unused]] std::size_t bytes) noexcept {
#if COIR_ASAN
    __asan_poison_memory_region(low, bytes);
#endif
}

void mark_in_use([[maybe_unused]] std::byte* low, [[maybe_unused]] std::size_t bytes) noexcept {
#if COIR_ASAN
    __asan_unpoison_memory_region(low, bytes);
#endif
}

std::string read_line(char const* path) {
    std::string line;
    std::ifstream file(path);
    std::getline(file, line);
    return line;
}

std::string finite_limit(char const* name, __rlimit_resource_t resource) {
    ::rlimit limit{};
    if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return {};
    }
    return std::string(name) + " is " + std::to_string(limit.rlim_cur >> 20) + " MiB";
}

// Each guarded stack takes two mappings, and the program has others.
bool uses_up_maps(std::size_t stacks) {
    std::string const limit = read_line("/proc/sys/vm/max_map_count");
    return !limit.empty() && stacks * 2 + stacks / 8 >= std::strtoull(limit.c_str(), nullptr, 10);
}

std::string too_many_maps(std::size_t stacks) {
    return "about " + std::to_string(stacks) +
           " guarded stacks use up vm.max_map_count = " + read_line("/proc/sys/vm/max_map_count") +
           "; raise it (sysctl -w vm.max_map_count=...) or run on Linux 6.13 or newer, where guards need no mapping";
}

}  // namespace

stack_pool& stack_pool::for_size(std::size_t size) {
    std::size_t const nominal = stack_geometry::for_size(size).nominal;
    std::scoped_lock const lock(register_lock);
    for (stack_pool* pool = register_head; pool != nullptr; pool = pool->next_) {
        if (pool->stack_size() == nominal) {
            return *pool;
        }
    }
    auto* const pool = new stack_pool(nominal);
    pool->next_ = register_head;
    register_head = pool;
    return *pool;
}

stack_pool::stack_pool(std::size_t size, guard_kind kind)
    : geometry_(stack_geometry::for_size(size)), guard_kind_(kind), next_slab_count_(k_first_slab) {}

stack stack_pool::acquire() {
    stack result;
    acquire_batch({&result, 1});
    return result;
}

std::size_t stack_pool::acquire_batch(std::span<stack> out) {
    if (out.empty()) {
        return 0;
    }
    std::array<std::byte*, k_batch> buffer;
    taken const got = take(std::min(out.size(), buffer.size()), buffer);
    auto const unguarded = std::span(buffer).subspan(got.guarded, got.count - got.guarded);
    guard_result const guards = install_guards(unguarded, geometry_.guard, guard_kind_);
    std::size_t const usable = got.guarded + guards.installed;
    std::size_t const handed_out = std::min(usable, out.size());
    if (handed_out < got.count) {
        std::scoped_lock const lock(lists_);
        put_back(cold_, std::span(buffer).subspan(handed_out, usable - handed_out));
        put_back(raw_, std::span(buffer).subspan(usable, got.count - usable));
    }
    if (handed_out == 0) {
        throw_cannot_guard(guards.error);
    }
    for (std::size_t i = 0; i < handed_out; ++i) {
        out[i] = stack_in(buffer[i]);
        mark_in_use(out[i].base, geometry_.usable());
    }
    return handed_out;
}

void stack_pool::release_batch(std::span<stack const> stacks) noexcept {
    for (stack const& s : stacks) {
        COIR_ASSERT(s.pool == this);
        mark_idle(s.base, geometry_.usable());
    }
    std::scoped_lock const lock(lists_);
    for (stack const& s : stacks) {
        warm_.push_back(s.base - geometry_.guard);
    }
}

stack stack_pool::stack_in(std::byte* slot) noexcept {
    std::size_t const colour = reinterpret_cast<std::uintptr_t>(slot) / geometry_.stride % k_colours;
    return {slot + geometry_.guard, geometry_.usable() - colour * k_colour_step, this};
}

stack_pool::taken stack_pool::take(std::size_t wanted, std::span<std::byte*, k_batch> out) {
    for (;;) {
        {
            std::scoped_lock const lock(lists_);
            std::size_t const warm = std::min(wanted, warm_.size());
            std::size_t const cold = std::min(wanted - warm, cold_.size());
            std::size_t const guarded = warm + cold;
            // Guarding many costs one system call, as guarding one does; those that nobody asked for become cold.
            bool const rounds_up = guard_kind_ == guard_kind::batched_markers && guarded < wanted;
            std::size_t const raw = std::min((rounds_up ? out.size() : wanted) - guarded, raw_.size());
            move_back(warm_, out.first(warm));
            move_back(cold_, out.subspan(warm, cold));
            move_back(raw_, out.subspan(guarded, raw));
            if (guarded + raw > 0) {
                return {guarded + raw, guarded};
            }
        }
        grow();
    }
}

void stack_pool::grow() {
    std::scoped_lock const growing(growth_);
    {
        std::scoped_lock const lock(lists_);
        if (!warm_.empty() || !cold_.empty() || !raw_.empty()) {
            return;  // somebody else mapped a slab, or gave stacks back, while we waited
        }
    }
    slab const& fresh = map_slab();
    std::scoped_lock const lock(lists_);
    mapped_ += fresh.count();
    // Backwards: lists are taken from behind, and neighbours shall be used one after another.
    for (std::size_t i = fresh.count(); i-- > 0;) {
        raw_.push_back(fresh.base() + i * geometry_.stride);
    }
}

slab& stack_pool::map_slab() {
    if (!vacant_.empty() && vacant_.back()->map_again() == 0) {
        slab& again = *vacant_.back();
        vacant_.pop_back();
        return again;
    }
    std::size_t const most = std::clamp(k_largest_slab_bytes / geometry_.stride, std::size_t{1}, k_largest_slab);
    std::size_t slots_wanted = std::min(next_slab_count_, most);
    reserve_lists(slots_ever_ + slots_wanted);
    vacant_.reserve(slabs_ever_ + 1);
    int error = 0;
    // Under a limit on address space a smaller slab may still fit.
    for (; slots_wanted > 0; slots_wanted /= 2) {
        if (slab* const fresh = slab::map_new(*this, geometry_, slots_wanted, error)) {
            next_slab_count_ = slots_wanted * 2;
            slots_ever_ += slots_wanted;
            ++slabs_ever_;
            return *fresh;
        }
    }
    throw_cannot_map(error);
}

void stack_pool::reserve_lists(std::size_t total) {
    if (total <= lists_capacity_) {
        return;
    }
    std::size_t const capacity = std::max(total, lists_capacity_ * 2);
    std::array<slots, 3> wider;
    for (slots& list : wider) {
        list.reserve(capacity);
    }
    lists_capacity_ = capacity;
    std::scoped_lock const lock(lists_);
    std::array<slots*, 3> const lists{&warm_, &cold_, &raw_};
    for (std::size_t i = 0; i < lists.size(); ++i) {
        wider[i].assign(lists[i]->begin(), lists[i]->end());
        wider[i].swap(*lists[i]);
    }
}  // the lock goes before `wider`: the old lists are freed without it

std::size_t stack_pool::trim(std::size_t keep_warm) {
    std::vector<idle_slot> idle;
    idle.reserve(count().mapped);
    take_idle(idle, keep_warm);
    std::sort(idle.begin(), idle.end(), [](idle_slot const& a, idle_slot const& b) { return a.low < b.low; });
    std::size_t trimmed = 0;
    for (std::span<idle_slot> rest(idle); !rest.empty();) {
        slab* const home = slab::find(rest.front().low);
        COIR_VERIFY(home != nullptr);
        auto const behind =
            std::find_if(rest.begin(), rest.end(), [&](idle_slot const& s) { return !home->contains(s.low); });
        auto const here = rest.first(static_cast<std::size_t>(behind - rest.begin()));
        rest = rest.subspan(here.size());
        if (here.size() != home->count() || !give_back_slab(*home)) {
            give_back_pages(here);
        }
        trimmed += static_cast<std::size_t>(
            std::count_if(here.begin(), here.end(), [](idle_slot const& s) { return s.state == idle_state::warm; }));
    }
    return trimmed;
}

void stack_pool::take_idle(std::vector<idle_slot>& idle, std::size_t keep_warm) {
    auto const move_out = [&](slots& from, std::size_t count, idle_state state) {
        // No more than there is room for: nothing is allocated under the lock.
        auto const end = from.begin() + static_cast<std::ptrdiff_t>(std::min(count, idle.capacity() - idle.size()));
        std::for_each(from.begin(), end, [&](std::byte* low) { idle.push_back({low, state}); });
        from.erase(from.begin(), end);
    };
    std::scoped_lock const lock(lists_);
    move_out(warm_, warm_.size() - std::min(keep_warm, warm_.size()), idle_state::warm);
    move_out(cold_, cold_.size(), idle_state::cold);
    move_out(raw_, raw_.size(), idle_state::raw);
}

bool stack_pool::give_back_slab(slab& home) {
    if (!home.unmap()) {
        return false;
    }
    {
        std::scoped_lock const lock(lists_);
        mapped_ -= home.count();
    }
    std::scoped_lock const growing(growth_);
    vacant_.push_back(&home);
    return true;
}

void stack_pool::give_back_pages(std::span<idle_slot const> idle) noexcept {
    // One call for each run of neighbours: guards lie in between, and survive MADV_DONTNEED. The kernel refuses only
    // if the program has locked its memory, and then the stacks simply keep theirs.
    for (std::size_t first = 0; first < idle.size();) {
        std::size_t last = first;
        while (last + 1 < idle.size() && idle[last + 1].low == idle[last].low + geometry_.stride) {
            ++last;
        }
        ::madvise(idle[first].low, (last + 1 - first) * geometry_.stride, MADV_DONTNEED);
        first = last + 1;
    }
    std::scoped_lock const lock(lists_);
    for (std::size_t i = idle.size(); i-- > 0;) {
        (idle[i].state == idle_state::raw ? raw_ : cold_).push_back(idle[i].low);
    }
}

std::size_t stack_pool::trim_all(std::size_t keep_warm_each) {
    stack_pool* pool = nullptr;
    {
        std::scoped_lock const lock(register_lock);
        pool = register_head;
    }
    std::size_t trimmed = 0;
    for (; pool != nullptr; pool = pool->next_) {
        trimmed += pool->trim(keep_warm_each);
    }
    return trimmed;
}

stack_pool::counts stack_pool::count() const {
    std::scoped_lock const lock(lists_);
    return {mapped_, warm_.size(), cold_.size() + raw_.size()};
}

void stack_pool::throw_cannot_map(int error) const {
    std::size_t const existing = count().mapped;
    std::string message = "coir: cannot map a stack of " + std::to_string(geometry_.nominal >> 10) + " KiB beside " +
                          std::to_string(existing) + " others (mmap: " + std::system_category().message(error) + "): ";
    std::string const address_space = finite_limit("RLIMIT_AS", RLIMIT_AS);
    std::string const data = finite_limit("RLIMIT_DATA", RLIMIT_DATA);
    if (!address_space.empty()) {
        message += address_space + "; raise it (ulimit -v) or choose a smaller stack_size";
    } else if (!data.empty()) {
        message += data + "; raise it (ulimit -d) or choose a smaller stack_size";
    } else if (guard_kind_ == guard_kind::protection && uses_up_maps(existing)) {
        message += too_many_maps(existing);
    } else if (read_line("/proc/sys/vm/overcommit_memory") == "2") {
        message += "vm.overcommit_memory = 2 counts every stack at its full size; choose a smaller stack_size";
    } else {
        message += "the machine is out of memory; choose a smaller stack_size or run fewer tasks at a time";
    }
    throw stack_allocation_error(message);
}

void stack_pool::throw_cannot_guard(int error) const {
    std::string message = "coir: cannot guard a stack of " + std::to_string(geometry_.nominal >> 10) + " KiB (" +
                          (guard_kind_ == guard_kind::protection ? "mprotect" : "madvise") + ": " +
                          std::system_category().message(error) + "): ";
    if (guard_kind_ == guard_kind::protection && error == ENOMEM) {
        message += too_many_maps(count().mapped);
    } else {
        message += "the machine is out of memory; run fewer tasks at a time";
    }
    throw stack_allocation_error(message);
}

}  // namespace coir::detail
