/* The `binary` runtime's hello: any executable that speaks the framed protocol is a function; iluvatar.h speaks it for
 * C. */
#include "iluvatar.h"

static int cold = 1;

static void hello(const iluvatar_request* request, iluvatar_reply* reply, void* context) {
  char json[128];
  (void)context;
  int size = snprintf(json, sizeof json, "{\"body\":{\"greeting\":\"Hello from C!\",\"cold\":%s,\"bytes\":%zu}}",
                      cold ? "true" : "false", request->size);
  cold = 0;
  iluvatar_reply_result(reply, json, (size_t)size);
}

int main(void) { return iluvatar_serve(hello, NULL); }
