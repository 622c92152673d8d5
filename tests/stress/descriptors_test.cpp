// SPDX-License-Identifier: BSL-1.0
//
// Descriptors that come and go: numbers and slots are used again at once, while events of those before are under way and waits
// are cancelled, time out, or end by the close. Nobody reads what was meant for another, and what was written is read.

#include "core/io/descriptor.hpp"
#include "core/io/foreign_descriptor.hpp"

#include "tests/support/nothing_left.hpp"
#include "tests/support/racing.hpp"

#include <coir/sync/channel.hpp>
#include <coir/sync/event.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace coir::detail {
namespace {

using descriptors = test::stress;
using test::a_blink;

// What everybody counts.
struct account {
    std::atomic<std::uint64_t> operations{0};
    std::atomic<std::uint64_t> reused{0};
    std::atomic<int> wrong{0};
    std::atomic<int> last_number{-1};

    void done(std::uint64_t count = 1) { operations.fetch_add(count, std::memory_order_relaxed); }
};

// An eventfd (cheap: most of them), or one end of a pair of sockets. Each message is the connection's own tag.
class connection {
public:
    connection(account& in, std::uint64_t tag, bool is_pair) : tag_(tag), account_(in) {
        if (is_pair) {
            std::array<int, 2> fds{};
            EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
            fd_ = fds[0];
            peer_ = fds[1];
        } else {
            fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
            EXPECT_GE(fd_, 0);
        }
        slot_ = &fd_slot::open(fd_);
        in.reused.fetch_add(in.last_number.exchange(fd_) == fd_, std::memory_order_relaxed);
        in.done();
    }
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;
    ~connection() {
        if (peer_ >= 0) {
            ::close(peer_);
        }
    }

    // Reads until the slot is closed or the peer has gone.
    void read_all(std::mt19937_64& random) {
        for (bool open = true; open;) {
            try {
                open = random() % 8 != 0 ? read_some(random) : read_as_a_foreigner(random);
                account_.done();
            } catch (cancelled const&) {
                account_.done();
            }
        }
        ended.set();
    }

    void write() {
        std::uint64_t const message = tag_;
        written_.fetch_add(1);
        auto const result =
            errno_of(&::write, peer_ >= 0 ? peer_ : fd_, static_cast<void const*>(&message), sizeof message);
        account_.wrong += result.value != static_cast<ssize_t>(sizeof message);
        account_.done();
    }
    void hang_up() {
        if (peer_ >= 0) {
            ::close(std::exchange(peer_, -1));
        }
    }
    void close() {
        fd_slot* slot = nullptr;
        {
            std::lock_guard const guard(lock_);
            slot = std::exchange(slot_, nullptr);
        }
        slot->close();
        account_.done();
    }

    std::atomic<std::uint64_t> read{0};
    event ended;
    event progress;

private:
    // A stay inside the slot, as sockets have it: after the close the slot may be somebody else's.
    class use {
    public:
        explicit use(connection& c) {
            std::lock_guard const guard(c.lock_);
            if (c.slot_ != nullptr && c.slot_->enter()) {
                slot = c.slot_;
            }
        }
        use(use const&) = delete;
        use& operator=(use const&) = delete;
        ~use() {
            if (slot != nullptr) {
                slot->exit();
            }
        }

        fd_slot* slot = nullptr;
    };

    bool read_some(std::mt19937_64& random) {
        use const in(*this);
        if (in.slot == nullptr) {
            return false;
        }
        return take(perform(*in.slot, io_direction::read, random() % 2 == 0 ? clock::now() + a_blink(random) : k_never,
                            [this](int fd) { return read_from(fd); }));
    }
    // By a copy of the number, which is registered and closed for this one wait.
    bool read_as_a_foreigner(std::mt19937_64& random) {
        use const in(*this);
        if (in.slot == nullptr) {
            return false;
        }
        if (!wait_for_descriptor(in.slot->fd(), io_direction::read, clock::now() + a_blink(random))) {
            return true;
        }
        return take(perform_now(*in.slot, io_direction::read, [this](int fd) { return read_from(fd); }));
    }

    syscall_result<ssize_t> read_from(int fd) {
        return errno_of(&::read, fd, static_cast<void*>(buffer_.data()), sizeof buffer_);
    }
    bool take(io_outcome const& outcome) {
        if (outcome.value <= 0) {
            bool const go_on = outcome.error == ETIMEDOUT || outcome.error == EAGAIN;
            account_.wrong += !go_on && outcome.error != ECANCELED && outcome.error != 0;
            return go_on;
        }
        std::size_t const count = static_cast<std::size_t>(outcome.value) / sizeof buffer_[0];
        std::uint64_t messages = 0;
        for (std::size_t i = 0; i < count; ++i) {
            account_.wrong += buffer_[i] % tag_ != 0;  // an eventfd adds them up
            messages += buffer_[i] / tag_;
        }
        account_.wrong += read.fetch_add(messages) + messages > written_;
        progress.set();
        return true;
    }

    std::uint64_t const tag_;
    account& account_;
    int fd_ = -1;
    int peer_ = -1;
    std::mutex lock_;
    fd_slot* slot_ = nullptr;
    std::atomic<std::uint64_t> written_{0};
    std::array<std::uint64_t, 64> buffer_{};
};

using shared_connection = std::shared_ptr<connection>;

// Opens one connection after the other, hands each to a reader, writes, and ends it: when everything was read, or at once, with
// events under way and the reader in any state.
void drive(account& in, channel<shared_connection>& readers, std::uint64_t seed, int connections) {
    std::mt19937_64 local(seed);
    for (int i = 0; i < connections; ++i) {
        auto const c = std::make_shared<connection>(in, 1'000 + local() % 1'000'000, local() % 4 == 0);
        readers.push(c);
        std::uint64_t const messages = local() % 32;
        for (std::uint64_t n = 0; n < messages; ++n) {
            c->write();
            if (local() % 8 == 0) {
                yield();
            }
        }
        if (local() % 2 == 0) {
            while (c->read != messages) {
                c->progress.clear();
                if (c->read != messages) {
                    c->progress.wait();
                }
            }
            if (local() % 4 == 0) {
                c->hang_up();
            }
        }
        c->close();
        if (local() % 4 == 0) {
            c->ended.wait();
        }
    }
}

TEST_F(descriptors, each_reads_its_own_though_numbers_are_used_again_at_once) {
    constexpr int k_drivers = 8;
    int const connections = test::rounds{.plain = 100, .sanitized = 500}.here();
    std::uint64_t reused = 0;
    while (another_round({.plain = 4, .sanitized = 120, .seconds = 60})) {
        account in;
        runtime rt(runtime_options{.workers = workers()});
        channel<shared_connection> open(below(3));
        auto const readers = test::running(rt, 2 * k_drivers, random(), [&](std::mt19937_64& local) {
            auto const c = open.pop();
            if (!c) {
                return false;
            }
            (*c)->read_all(local);
            return true;
        });
        std::vector<task<void>> drivers;
        for (int i = 0; i < k_drivers; ++i) {
            drivers.push_back(rt.spawn([&, seed = random()()] { drive(in, open, seed, connections); }));
        }
        {
            test::cancels const some(rt, readers, random()());
            for (auto& d : drivers) {
                d.get();
            }
            open.close();
            test::wait_for_all(readers);
        }
        EXPECT_EQ(in.wrong, 0);
        reused += in.reused;
        did(in.operations);
    }
    EXPECT_GT(reused, 0u) << "nothing was tested";
}

}  // namespace
}  // namespace coir::detail
