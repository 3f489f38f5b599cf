#include "worker/script/lua_lib.h"

void cjson_defaults(struct cjson_options *o)
{
    *o = (struct cjson_options){.keep_buffer = true,
                                .decode_invalid = true,
                                .sparse_ratio = 2,
                                .sparse_safe = 10,
                                .encode_depth = 1000,
                                .decode_depth = 1000,
                                .precision = 14};
}
