// Beast, and Asio's TLS, are compiled here, once, instead of in every unit that uses them.
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
