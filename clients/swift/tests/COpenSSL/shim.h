// OpenSSL 3 for the test program alone; an app has CryptoKit.
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#if OPENSSL_VERSION_MAJOR != 3
#error "The test program is written for OpenSSL 3."
#endif
