// SPDX-License-Identifier: BSL-1.0
#pragma once

// The case of select() that waits for a descriptor: the part that needs the runtime's pollers.

#include <coir/sync/detail/select_case.hpp>

#include <memory>

namespace coir::detail {

class descriptor_case : public select_case {
public:
    enum class direction : bool { read, write };

    bool poll() final;
    void start() final;
    void stop(bool chosen) noexcept final;
    bool enlist(waiter& who) noexcept final;
    void withdraw() noexcept final;
    bool settled() noexcept final;

protected:
    descriptor_case(int fd, direction d) noexcept;
    ~descriptor_case();

private:
    class watcher;         // while select() waits
    class task_watcher;    // in a task: by the runtime's pollers
    class thread_watcher;  // on a plain thread, which has none: by a thread that sleeps in poll(2)

    int const fd_;
    direction const direction_;
    std::unique_ptr<watcher> watcher_;
    wait_node node_;
};

}  // namespace coir::detail
