// SPDX-License-Identifier: BSL-1.0
//
// Watchers are jobs of the bridge threads. Each has a list of futures; it waits for the first one for a while, then looks
// at the others. A new future goes to a new watcher as long as there are few of them, else to the one with the least to do;
// a watcher without futures ends. Rejected: a thread for each future (thousands of them may be outstanding), and one thread
// that polls (each result would come late, or the thread never sleep).

#include <coir/executors/wrap_future.hpp>

#include <coir/executors/bridge_threads.hpp>

#include <algorithm>
#include <list>
#include <mutex>
#include <utility>
#include <vector>

namespace coir::detail {
namespace {

constexpr std::size_t k_most_watchers = 8;
// How long a result may wait to be seen when a watcher has several. Guessed.
constexpr auto k_look = std::chrono::milliseconds(1);

class watchers {
public:
    static watchers& of_the_process() {
        static auto& all = *new watchers;  // never destroyed, as the threads that use it
        return all;
    }

    void add(std::unique_ptr<watched_future> what) {
        std::list<watcher> made;
        std::list<watcher>::iterator fresh;
        {
            std::lock_guard const guard(lock_);
            if (all_.size() >= k_most_watchers) {
                auto const least = std::min_element(
                    all_.begin(), all_.end(), [](watcher const& a, watcher const& b) { return a.count < b.count; });
                least->arrived.push_back(std::move(what));
                ++least->count;
                return;
            }
            fresh = made.emplace(made.end());
            fresh->arrived.push_back(std::move(what));
            fresh->count = 1;
            all_.splice(all_.end(), made);
        }
        shift work(*this, fresh);  // before anything that can fail
        bridge_threads().execute(std::move(work));
    }

private:
    struct watcher {
        std::vector<std::unique_ptr<watched_future>> arrived;  // under lock_
        std::size_t count = 0;                                 // under lock_
    };

    // The job of a watcher. If it does not run to its end (no memory, no thread), its futures break their promises.
    class shift {
    public:
        shift(watchers& all, std::list<watcher>::iterator self) noexcept : all_(&all), self_(self) {}
        shift(shift&& other) noexcept : all_(std::exchange(other.all_, nullptr)), self_(other.self_) {}
        shift& operator=(shift&&) = delete;
        ~shift() {
            if (all_ != nullptr) {
                all_->drop(self_);
            }
        }
        void operator()() {
            all_->watch(self_);
            all_ = nullptr;
        }

    private:
        watchers* all_;
        std::list<watcher>::iterator self_;
    };

    void drop(std::list<watcher>::iterator self) noexcept {
        std::list<watcher> dropped;  // its end may run anything
        std::lock_guard const guard(lock_);
        dropped.splice(dropped.end(), all_, self);
    }

    void watch(std::list<watcher>::iterator self) {
        std::vector<std::unique_ptr<watched_future>> mine;
        std::size_t delivered = 0;
        for (;;) {
            {
                std::lock_guard const guard(lock_);
                std::move(self->arrived.begin(), self->arrived.end(), std::back_inserter(mine));
                self->arrived.clear();
                self->count -= delivered;
                if (mine.empty()) {
                    all_.erase(self);
                    return;
                }
            }
            mine.front()->wait_for(k_look);
            auto const ready = std::partition(mine.begin(), mine.end(),
                                              [](auto const& f) { return !f->wait_for(std::chrono::seconds(0)); });
            std::for_each(ready, mine.end(), [](auto const& f) { f->deliver(); });
            delivered = static_cast<std::size_t>(mine.end() - ready);
            mine.erase(ready, mine.end());
        }
    }

    std::mutex lock_;
    std::list<watcher> all_;  // under lock_
};

}  // namespace

void watch(std::unique_ptr<watched_future> what, bool is_deferred) {
    if (is_deferred) {
        bridge_threads().execute([owned = std::move(what)] { owned->deliver(); });
    } else {
        watchers::of_the_process().add(std::move(what));
    }
}

}  // namespace coir::detail
