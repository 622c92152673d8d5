// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/as_completed.hpp>

#include <coir/core/base/back_off.hpp>
#include <coir/core/task/wait_many.hpp>

#include <mutex>

namespace coir::detail {

completion_queue::completion_queue(std::span<shared_state_base* const> states) : nodes_(states.size()) {
    throw_if_self_among(states);
    done_.reserve(states.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
        node& n = nodes_[i];
        n.owner = this;
        n.state = states[i];
        n.index = i;
        n.on_complete = [](completion_node& self, wake_list& wakes) noexcept {
            auto& done = static_cast<node&>(self);
            done.owner->on_one(done, wakes);
        };
        if (!n.state->add(n)) {
            std::lock_guard const guard(lock_);
            done_.push_back(i);
        }
    }
}

// Also waits for those that are just completing: afterwards nobody holds a pointer to a node.
completion_queue::~completion_queue() {
    for (node& n : nodes_) {
        n.state->erase(n);
    }
}

void completion_queue::on_one(node const& n, wake_list& wakes) noexcept {
    std::lock_guard const guard(lock_);
    done_.push_back(n.index);
    consumer_.claim_one(wakes);
}

std::size_t completion_queue::next() {
    for (;;) {
        {
            std::lock_guard const guard(lock_);
            if (taken_ < done_.size()) {
                break;
            }
        }
        wait_point wait;
        {
            std::lock_guard const guard(lock_);
            if (taken_ < done_.size()) {
                break;
            }
            consumer_.push_back(wait.node);
        }
        if (wait.suspend() != wake_reason::notified) {
            {
                std::lock_guard const guard(lock_);
                consumer_.erase(wait.node);
            }
            wait.throw_if_cancelled();
        }
    }
    std::size_t index = 0;
    {
        std::lock_guard const guard(lock_);
        index = done_[taken_++];
    }
    // A state calls its nodes a few instructions before it is done.
    for (back_off pause; !nodes_[index].state->is_done();) {
        pause.pause();
    }
    return index;
}

}  // namespace coir::detail
