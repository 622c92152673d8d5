// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/tls.hpp>

#include <coir/core/base/config.hpp>

namespace coir::detail {
namespace {

struct owned_pointer {
    void* object = nullptr;
    void (*destroy)(void*) = nullptr;

    ~owned_pointer() {
        if (object != nullptr) {
            destroy(object);
        }
    }
};

// constinit: no guard variable, no lazy initialisation on the way of every scheduler call.
constinit thread_local worker* current_worker = nullptr;
constinit thread_local fork_place* current_fork_place = nullptr;
constinit thread_local fiber_thread* blocking_section = nullptr;
constinit thread_local void const* current_executor = nullptr;
constinit thread_local owned_pointer own_objects[2]{};

}  // namespace

// The asm keeps even link-time optimisation from learning where the value comes from.
COIR_NOIPA worker* this_worker() noexcept {
    worker* result = current_worker;
    asm volatile("" : "+r"(result)::"memory");
    return result;
}

COIR_NOIPA void set_this_worker(worker* value) noexcept {
    current_worker = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA fork_place* this_fork_place() noexcept {
    fork_place* result = current_fork_place;
    asm volatile("" : "+r"(result)::"memory");
    return result;
}

COIR_NOIPA void set_this_fork_place(fork_place* value) noexcept {
    current_fork_place = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA fiber_thread* this_blocking_section() noexcept {
    fiber_thread* result = blocking_section;
    asm volatile("" : "+r"(result)::"memory");
    return result;
}

COIR_NOIPA void set_this_blocking_section(fiber_thread* value) noexcept {
    blocking_section = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA void const* this_executor() noexcept {
    void const* result = current_executor;
    asm volatile("" : "+r"(result)::"memory");
    return result;
}

COIR_NOIPA void set_this_executor(void const* value) noexcept {
    current_executor = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA void* this_thread_object(thread_object which, void* (*make)(), void (*destroy)(void*)) {
    owned_pointer& slot = own_objects[static_cast<unsigned char>(which)];
    if (slot.object == nullptr) {
        slot.object = make();
        slot.destroy = destroy;
    }
    void* result = slot.object;
    asm volatile("" : "+r"(result)::"memory");
    return result;
}

}  // namespace coir::detail
