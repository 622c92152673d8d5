// SPDX-License-Identifier: BSL-1.0
#include <coir/asio.hpp>
#include <coir/coir.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <chrono>

int main() {
    return coir::run([] {
        boost::asio::thread_pool threads(1);
        boost::asio::steady_timer timer(threads, std::chrono::milliseconds(1));
        timer.async_wait(coir::use_task);
        return timer.expiry() <= std::chrono::steady_clock::now() ? 0 : 1;
    });
}
