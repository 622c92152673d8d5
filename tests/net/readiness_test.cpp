// SPDX-License-Identifier: BSL-1.0
#include <coir/net/readiness.hpp>

#include "tests/support/running.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/task.hpp>

#include <system_error>
#include <thread>

#include <sys/socket.h>
#include <unistd.h>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

// Two connected sockets of nobody's: blocking ones.
class socket_pair {
public:
    socket_pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_), 0); }
    socket_pair(socket_pair const&) = delete;
    socket_pair& operator=(socket_pair const&) = delete;
    ~socket_pair() {
        ::close(ends_[0]);
        close_there();
    }
    int here() const { return ends_[0]; }
    void put() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
    void take() const {
        char c = 0;
        EXPECT_EQ(::read(ends_[0], &c, 1), 1);
    }
    void close_there() {
        if (ends_[1] >= 0) {
            ::close(ends_[1]);
            ends_[1] = -1;
        }
    }
    // Fills the way there, so that a write would block.
    void fill() const {
        char block[4096] = {};
        while (::send(ends_[0], block, sizeof(block), MSG_DONTWAIT) > 0) {
        }
    }
    void drain() const {
        char block[4096];
        while (::recv(ends_[1], block, sizeof(block), MSG_DONTWAIT) > 0) {
        }
    }

private:
    int ends_[2] = {-1, -1};
};

TEST(readiness, is_that_of_the_moment_again_and_again) {
    on_one_and_four_workers([] {
        socket_pair s;
        EXPECT_FALSE(net::wait_readable_for(s.here(), k_a_moment));
        for (int round = 0; round < 100; ++round) {
            auto t = spawn([&] { net::wait_readable(s.here()); });
            if (round % 2 == 0) {
                yield_until_waiting(t);
            }
            s.put();
            t.get();
            net::wait_readable(s.here());  // it still is: nothing was read
            s.take();
        }
        EXPECT_FALSE(net::wait_readable_for(s.here(), k_a_moment));
    });
}

TEST(readiness, each_direction_has_its_own_and_several_may_wait) {
    on_one_and_four_workers([] {
        socket_pair s;
        net::wait_writable(s.here());
        s.fill();
        EXPECT_FALSE(net::wait_writable_for(s.here(), k_a_moment));
        auto writes = spawn([&] { net::wait_writable(s.here()); });
        auto writes_too = spawn([&] { net::wait_writable(s.here()); });
        auto reads = spawn([&] { net::wait_readable(s.here()); });
        yield_until_waiting(writes);
        yield_until_waiting(writes_too);
        yield_until_waiting(reads);
        s.drain();
        writes.get();
        writes_too.get();
        EXPECT_TRUE(test::is_waiting(reads));
        s.put();
        reads.get();
    });
}

TEST(readiness, end_of_the_peer_counts) {
    on_one_and_four_workers([] {
        socket_pair s;
        auto t = spawn([&] { net::wait_readable(s.here()); });
        yield_until_waiting(t);
        s.close_there();
        t.get();
        net::wait_readable(s.here());
        net::wait_writable(s.here());
    });
}

TEST(readiness, cancelled_wait_leaves_nothing_behind) {
    on_one_and_four_workers([] {
        socket_pair s;
        for (int round = 0; round < 100; ++round) {
            auto t = spawn([&] { net::wait_readable(s.here()); });
            yield_until_waiting(t);
            t.cancel();
            EXPECT_THROW(t.get(), cancelled);
        }
        s.put();
        net::wait_readable(s.here());
    });
}

TEST(readiness, what_is_not_open_is_an_error) {
    on_one_and_four_workers([] {
        EXPECT_THROW(net::wait_readable(-1), std::system_error);
        EXPECT_THROW(net::wait_writable(1'000'000), std::system_error);
    });
}

TEST(readiness, plain_threads_wait_too) {
    socket_pair s;
    EXPECT_FALSE(net::wait_readable_for(s.here(), k_a_moment));
    std::thread writer([&] { s.put(); });
    net::wait_readable(s.here());
    writer.join();
}

}  // namespace
}  // namespace coir
