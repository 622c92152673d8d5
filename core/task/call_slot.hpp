// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace coir::detail {

/// Where a callable lies that is made with its record and ended before it: in place, or behind a pointer if it is too large
/// for a record. Whoever holds the slot ends the callable, once.
template <class Call>
class call_slot {
public:
    /// Throws what the callable's constructor throws, and std::bad_alloc for a large one.
    template <class... Parts>
    explicit call_slot(std::in_place_t, Parts&&... parts) {
        if constexpr (k_in_place) {
            ::new (static_cast<void*>(std::addressof(in_place_))) Call(std::forward<Parts>(parts)...);
        } else {
            boxed_ = new Call(std::forward<Parts>(parts)...);
        }
    }
    call_slot(call_slot const&) = delete;
    call_slot& operator=(call_slot const&) = delete;
    ~call_slot() {}  // of a union: see end()

    Call& get() noexcept {
        if constexpr (k_in_place) {
            return in_place_;
        } else {
            return *boxed_;
        }
    }

    void end() noexcept {
        if constexpr (k_in_place) {
            in_place_.~Call();
        } else {
            delete boxed_;
        }
    }

private:
    static constexpr bool k_in_place = sizeof(Call) <= 384 && alignof(Call) <= 16;

    union {
        std::conditional_t<k_in_place, Call, char> in_place_;
        Call* boxed_;
    };
};

}  // namespace coir::detail
