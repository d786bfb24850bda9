// Beast is compiled here, once, instead of in every unit that uses it.
#include <boost/beast/src.hpp>
