#include "common/base.h"
#include "pooler/admin.h"
int admin_submit(struct client *c UNUSED, const char *sql UNUSED){return -1;}
void admin_cancel(struct client *c UNUSED){}
void admin_client_gone(struct client *c UNUSED){}
void admin_console_welcome(struct buf *o UNUSED){}
struct admin *admin_new(struct pooler *p UNUSED){return calloc(1,8);}
void admin_free(struct admin *a){free(a);}
void admin_check(struct admin *a UNUSED){}
void admin_end(struct admin *a UNUSED){}
