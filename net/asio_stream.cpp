// SPDX-License-Identifier: BSL-1.0
//
// tcp_stream as Boost sees it: its error codes, its executor, and the end of a WebSocket.

#include <coir/net/tcp_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <cerrno>

namespace coir::net {
namespace {

// How much a peer may still send that has agreed to the end.
constexpr std::size_t k_farewell_bytes = 4 * 1024 * 1024;

// All that comes from sockets is of the system's category, and compares equal to what Asio names.
boost::system::error_code to_boost(std::error_code const& error) noexcept {
    return {error.value(), boost::system::system_category()};
}

std::size_t report(std::size_t count, boost::system::error_code const& failed, boost::system::error_code* error,
                   char const* what) {
    if (error != nullptr) {
        *error = failed;
    } else if (failed) {
        throw boost::system::system_error(failed, what);
    }
    return count;
}

}  // namespace

std::size_t tcp_stream::read_slices(detail::slices const& to, boost::system::error_code* error) {
    std::error_code failed;
    std::size_t const count = socket_.read_some(to.used(), deadline(), failed);
    bool const at_end = count == 0 && !failed && to.count != 0;
    return report(count, at_end ? boost::asio::error::make_error_code(boost::asio::error::eof) : to_boost(failed),
                  error, "coir::net::tcp_stream: read");
}

std::size_t tcp_stream::write_slices(detail::slices const& from, boost::system::error_code* error) {
    std::error_code failed;
    std::size_t const count = socket_.write_some(from.used(), deadline(), failed);
    return report(count, to_boost(failed), error, "coir::net::tcp_stream: write");
}

// Not system_executor: its context starts two threads for each core. Never destroyed, as streams may be static too.
tcp_stream::executor_type tcp_stream::get_executor() const {
    static auto& pool = *new boost::asio::thread_pool(1);
    return pool.get_executor();
}

void tcp_stream::shutdown(shutdown_type what, boost::system::error_code& error) noexcept {
    std::error_code failed;
    shutdown(what, failed);
    error = to_boost(failed);
}

void tcp_stream::close(std::error_code& error) noexcept {
    error.clear();
    close();
}

void tcp_stream::close(boost::system::error_code& error) noexcept {
    error.clear();
    close();
}

// The server closes first (RFC 6455 7.1.1), so that the state that lingers is on the client's side of no use to anybody else.
void teardown(boost::beast::role_type role, tcp_stream& stream, boost::system::error_code& error) {
    using boost::beast::role_type;
    std::error_code failed;
    if (role == role_type::server) {
        stream.shutdown(shutdown_type::send, failed);
    }
    std::byte unwanted[2048];
    std::size_t left = k_farewell_bytes;
    while (!failed && left >= sizeof unwanted && stream.read_some(unwanted, failed) != 0) {
        left -= sizeof unwanted;
    }
    if (!failed && role == role_type::client) {
        stream.shutdown(shutdown_type::send, failed);
    }
    stream.close();
    error = to_boost(failed);
}

}  // namespace coir::net
