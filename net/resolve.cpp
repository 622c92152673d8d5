// SPDX-License-Identifier: BSL-1.0
#include <coir/net/resolve.hpp>

#include <coir/core/task/suspend.hpp>
#include <coir/executors/run_in_executor.hpp>

#include <memory>
#include <stdexcept>
#include <system_error>

#include <netdb.h>
#include <sys/socket.h>

namespace coir::net {
namespace {

class resolver_category final : public std::error_category {
public:
    char const* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int code) const override { return ::gai_strerror(code); }
};

std::error_category const& category() noexcept {
    static resolver_category const instance;
    return instance;
}

struct free_addresses {
    void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

// Blocks its thread.
std::vector<endpoint> ask_the_system(std::string const& host, std::string const& port, transport way) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = way == transport::udp ? SOCK_DGRAM : SOCK_STREAM;
    addrinfo* found = nullptr;
    int const failure = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
    if (failure != 0) {
        throw std::system_error(failure, category(), "coir::net: cannot resolve " + host + " port " + port);
    }
    std::unique_ptr<addrinfo, free_addresses> const owner(found);
    std::vector<endpoint> endpoints;
    for (addrinfo const* one = found; one != nullptr; one = one->ai_next) {
        endpoint candidate(one->ai_addr, one->ai_addrlen);
        if (candidate.size() != 0) {
            endpoints.push_back(candidate);
        }
    }
    if (endpoints.empty()) {
        throw std::system_error(EAI_NONAME, category(), "coir::net: no address for " + host);
    }
    return endpoints;
}

}  // namespace

std::vector<endpoint> resolve(std::string const& host, service const& port, transport way) {
    if (auto const number = port.number()) {
        if (auto const digits = endpoint::from_digits(host, *number)) {
            return {*digits};
        }
        if (host == "localhost") {
            return {*endpoint::from_digits("127.0.0.1", *number), *endpoint::from_digits("::1", *number)};
        }
    }
    if (host.find('\0') != std::string::npos || port.name().find('\0') != std::string::npos) {
        throw std::invalid_argument("coir::net: a zero byte in a host or service name");
    }
    if (coir::detail::current_task_or_null() == nullptr) {
        return ask_the_system(host, port.name(), way);
    }
    return to_thread([host, name = port.name(), way] { return ask_the_system(host, name, way); });
}

}  // namespace coir::net
