# SPDX-License-Identifier: MIT
#
# One non-recursive file. Targets: all demo deps check bench lint man install
# clean. Knobs: DEV=1 (warnings are errors; the tests set it), SAN=address,undefined or
# SAN=thread (builds under build-asan, build-tsan), CC, PG=14,18 (majors that
# the end-to-end tests use), DESTDIR and prefix.

SAN ?=
PG ?=
JOBS ?= $(shell nproc)
CC ?= gcc
prefix ?= /usr/local
sysconfdir ?= /etc
bindir ?= $(prefix)/bin
# Where the program looks for it: beside itself, else ../lib/homelab.
enginedir ?= $(prefix)/lib/homelab
mandir ?= $(prefix)/share/man
docdir ?= $(prefix)/share/doc/homelab
completiondir ?= $(prefix)/share/bash-completion/completions
unitdir ?= $(prefix)/lib/systemd/system
INSTALL ?= install
B := build$(if $(findstring address,$(SAN)),-asan,$(if $(findstring thread,$(SAN)),-tsan))
PKG_CONFIG ?= pkg-config

CPPFLAGS += -I. -I$(B)/gen -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE
WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wvla -Wswitch-enum -Wundef
CFLAGS ?= -O2 -g
CFLAGS_ALL = -std=c11 -fPIC -fvisibility=hidden -pthread $(WARN) \
	$(if $(DEV),-Werror) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) \
	$(CFLAGS)
LDFLAGS += -pthread -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN))

# io_uring where liburing is at hand.
ifeq ($(shell $(PKG_CONFIG) --exists 'liburing >= 2.3' && echo yes),yes)
CPPFLAGS += -DWITH_LIBURING
LIB_uring := -luring
else
NO_URING := $(wildcard common/poller_uring*.c) common/poller_ring.c
endif

# One job each, one includer each: design section 3.
LIB_uv      := -luv
LIB_ssl     := -lssl -lcrypto
LIB_idn     := -lidn
LIB_inih    := -linih
LIB_pq      := -lpq
LIB_s3      := -ls3
LIB_lz4     := -llz4
LIB_xxhash  := -lxxhash
LIB_json    := -ljansson
CPPFLAGS    += $(shell $(PKG_CONFIG) --cflags-only-I libpq 2>/dev/null)

LIBS_pooler     := $(LIB_uv) $(LIB_uring) $(LIB_ssl) $(LIB_idn) $(LIB_inih) $(LIB_xxhash)
LIBS_engine     := $(LIB_uv) $(LIB_uring) $(LIB_ssl) $(LIB_inih) $(LIB_pq) $(LIB_s3) \
	$(LIB_lz4) $(LIB_xxhash) $(LIB_json)
LIBS_homelabctl := $(LIB_inih) $(LIB_pq) $(LIB_json)
LIBS_unit       := $(LIBS_engine) $(LIB_idn) -lm $(shell $(PKG_CONFIG) --libs check 2>/dev/null)

# homelabctl's objects are in build/ctl: build/homelabctl is the program.
obj = $(patsubst $(B)/homelabctl/%,$(B)/ctl/%,$(patsubst %.c,$(B)/%.o,$(1)))
COMMON_SRC     := $(filter-out $(NO_URING),$(wildcard common/*.c))
POOLER_SRC     := $(filter-out pooler/main.c,$(wildcard pooler/*.c))
# The thin client: libc and the control client only (design section 3).
# Both it and the engine have say.c.
THIN_SRC       := $(wildcard archiver/main.c archiver/thin.c archiver/thin_ask.c archiver/say.c)
ENGINE_SRC     := $(filter-out $(THIN_SRC),$(wildcard archiver/*.c)) archiver/say.c
HOMELABCTL_SRC := $(filter-out homelabctl/main.c,$(wildcard homelabctl/*.c))
MAN_SRC        := $(wildcard man/*.c)
UNIT_SRC       := $(wildcard tests/unit/*_test.c)
ALL_SRC        := $(COMMON_SRC) $(wildcard pooler/*.c archiver/*.c homelabctl/*.c \
	man/*.c tests/unit/*.c tests/e2e/*.c tests/attack/*.c tests/pgtalk/*.c \
	tests/faults/*.c tests/fuzz/*.c bench/*.c)

PROGRAMS := $(if $(wildcard pooler/main.c),$(B)/homelab-pooler) \
	$(if $(wildcard archiver/main.c),$(B)/homelab-archiver $(B)/homelab-archiver-engine.so) \
	$(if $(wildcard homelabctl/main.c),$(B)/homelabctl)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))

.PHONY: all unit tests fuzz check check-quick hdrcheck lint deps demo bench man man-check mangen gen gen-check \
	install clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS)

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/ctl/%.o: homelabctl/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/libcommon.a: $(call obj,$(COMMON_SRC))
$(B)/libpooler.a: $(call obj,$(POOLER_SRC))
$(B)/libarchiver.a: $(call obj,$(sort $(ENGINE_SRC) $(filter-out archiver/main.c,$(THIN_SRC))))
$(B)/libhomelabctl.a: $(call obj,$(HOMELABCTL_SRC))
$(B)/%.a:
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/homelab-pooler: $(B)/pooler/main.o $(B)/libpooler.a $(B)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_pooler)
$(B)/homelab-archiver: $(call obj,$(THIN_SRC)) $(B)/libcommon.a
	$(CC) $(LDFLAGS) -rdynamic -o $@ $^ -ldl
$(B)/homelab-archiver-engine.so: $(call obj,$(ENGINE_SRC)) $(B)/libcommon.a
	$(CC) $(LDFLAGS) -shared -o $@ $^ $(LIBS_engine)
$(B)/homelabctl: $(B)/ctl/main.o $(B)/libhomelabctl.a $(B)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_homelabctl)

# Unit tests: one program per source file, linked on the programs' archives.
$(B)/unit/%_test: $(B)/tests/unit/%_test.o $(B)/libpooler.a $(B)/libarchiver.a \
    $(B)/libhomelabctl.a $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_unit)
# Here each allocation of ours can be made to fail.
$(B)/unit/nomem_test: LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc \
    -Wl,--wrap=realloc,--wrap=strdup,--wrap=strndup
unit: $(UNIT_BIN)

# Programs that the end-to-end tests run.
$(B)/e2e/%: $(B)/tests/e2e/%.o $(B)/libpooler.a $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_pooler) $(LIB_pq)

# Of many files: the client that compares the pooler with PostgreSQL, and the
# clients that a script drives.
$(B)/e2e/differ: $(patsubst %.c,$(B)/%.o,$(wildcard tests/attack/*.c)) \
    $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

$(B)/e2e/pgtalk: $(patsubst %.c,$(B)/%.o,$(wildcard tests/pgtalk/*.c)) \
    $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIB_pq)

E2E_BIN := $(patsubst tests/e2e/%.c,$(B)/e2e/%,$(wildcard tests/e2e/*.c)) \
	$(if $(wildcard tests/attack/*.c),$(B)/e2e/differ) \
	$(if $(wildcard tests/pgtalk/*.c),$(B)/e2e/pgtalk)

# What makes things go wrong: system calls, an S3 server.
FAULTS_BIN := $(B)/faults/sysfault $(B)/faults/s3fault
$(B)/faults/sysfault: $(call obj,tests/faults/sysfault.c tests/faults/calls.c)
$(B)/faults/s3fault: $(call obj,tests/faults/s3fault.c tests/faults/plan.c)
$(FAULTS_BIN): $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^)

# The fuzzers on their committed inputs, with no need of libFuzzer.
FUZZ_SRC := $(wildcard tests/fuzz/*_fuzz.c)
REPLAY_BIN := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
$(B)/fuzz/%_fuzz: $(B)/tests/fuzz/%_fuzz.o $(B)/tests/fuzz/replay.o \
    $(B)/libpooler.a $(B)/libarchiver.a $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_engine) $(LIB_idn)

tests: all unit $(E2E_BIN) $(FAULTS_BIN) $(REPLAY_BIN)

# Everything that the tests need, then everything they can say. The last line
# is "N passed, N failed".
check: deps
	$(MAKE) -s -j$(JOBS) DEV=1 tests man mangen
	$(MAKE) -s -j$(JOBS) DEV=1 SAN=address,undefined tests
	$(MAKE) -s -j$(JOBS) DEV=1 SAN=thread tests
	@PG=$(PG) tests/run.sh lint unit e2e faults asan tsan
# The same without the sanitizers' builds.
check-quick:
	$(MAKE) -s -j$(JOBS) DEV=1 tests man mangen
	@PG=$(PG) tests/run.sh lint unit e2e faults
lint:
	$(MAKE) -s -j$(JOBS) DEV=1 all man mangen
	@tests/run.sh lint
deps:
	@tests/deps.sh build test
# Beside the peers, with ratios: bench/run.sh says what can be chosen.
# ROWS=pooler,archiver or single ones; BENCH_ROUNDS, BENCH_SECONDS.
bench: deps
	$(MAKE) -s -j$(JOBS) all $(B)/bench/reap
	@bench/run.sh $(subst $(comma), ,$(ROWS))
comma := ,
$(B)/bench/reap: $(B)/bench/reap.o
	$(CC) $(LDFLAGS) -o $@ $^
# The main job once, explained line by line; KEEP=1 leaves it running.
demo:
	@KEEP=$(KEEP) tests/demo.sh

# Each header compiles alone: no user needs to know what it includes.
hdrcheck: $(patsubst %.h,$(B)/hdr/%.ok,$(wildcard common/*.h pooler/*.h \
    archiver/*.h homelabctl/*.h))
$(B)/hdr/%.ok: %.h
	@mkdir -p $(@D)
	@printf '#include "common/base.h"\n#include "%s"\ntypedef int c11_wants_a_declaration;\n' \
	    $< | $(CC) $(CPPFLAGS) $(CFLAGS_ALL) -Werror -x c -fsyntax-only -
	@touch $@

# Manuals and sample files come from templates and the option tables. The
# samples are committed; gen-check fails if they are not what gen would write.
MAN_PAGES := $(patsubst man/%.in,$(B)/man/%,$(wildcard man/*.in))
GENERATED := $(patsubst %.in,%,$(wildcard etc/*/*.in))

$(B)/mangen: $(B)/man/mangen.o $(B)/libpooler.a $(B)/libarchiver.a \
    $(B)/libhomelabctl.a $(B)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_unit)
$(B)/man/%: man/%.in $(B)/mangen
	@mkdir -p $(@D)
	$(B)/mangen $< > $@
man: $(MAN_PAGES)
mangen: $(B)/mangen
gen: $(B)/mangen
	@for f in $(GENERATED); do $(B)/mangen $$f.in > $$f || exit 1; done
gen-check: $(B)/mangen
	@for f in $(GENERATED); do $(B)/mangen $$f.in | cmp -s - $$f || \
	    { echo "$$f is out of date: run make gen" >&2; exit 1; }; done
man-check: man
	@! mandoc -Tlint -W style $(MAN_PAGES) | grep -vE 'referenced manual not found|outdated mandoc.db'

# Fuzzers: clang's libFuzzer, AddressSanitizer and UBSan. A corpus and the
# inputs that failed stay in build-fuzz.
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
FUZZ_FLAGS := -std=c11 -g -O1 -pthread -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer
FUZZ_OBJ := $(patsubst %.c,build-fuzz/%.o,$(COMMON_SRC) $(POOLER_SRC) \
	$(ENGINE_SRC))

build-fuzz/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link \
		-MMD -MP -c -o $@ $<
build-fuzz/libfuzz.a: $(FUZZ_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
build-fuzz/%_fuzz: build-fuzz/tests/fuzz/%_fuzz.o build-fuzz/libfuzz.a
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -Wl,--as-needed -o $@ $^ \
		$(LIBS_engine) $(LIB_idn)
fuzz: $(patsubst tests/fuzz/%.c,build-fuzz/%,$(FUZZ_SRC))
	@set -e; for f in $(notdir $^); do \
		mkdir -p build-fuzz/corpus/$$f; \
		echo "$$f: $(FUZZ_SECONDS) s"; \
		build-fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -max_len=4096 \
		    $$(test -f tests/fuzz/$$f.dict && \
			echo -dict=tests/fuzz/$$f.dict) \
		    -print_final_stats=1 -artifact_prefix=build-fuzz/$$f- \
		    build-fuzz/corpus/$$f $$(test -d tests/fuzz/corpus/$$f && \
			echo tests/fuzz/corpus/$$f) 2>build-fuzz/$$f.log || \
		    { tail -40 build-fuzz/$$f.log; exit 1; }; \
		grep -E 'stat::number_of_executed_units' build-fuzz/$$f.log; \
	done

# Programs, manuals, units, and sample files under $(docdir)/examples. A
# configuration that is there is left alone; where there is none, the sample,
# in which every key is commented out, becomes it, readable by the service's
# user.
install: all man
	$(INSTALL) -d $(DESTDIR)$(bindir) $(DESTDIR)$(unitdir) \
	    $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man5 \
	    $(DESTDIR)$(docdir)/examples $(DESTDIR)$(sysconfdir)/homelab \
	    $(DESTDIR)$(completiondir)
	$(INSTALL) -m 755 $(filter-out %.so,$(PROGRAMS)) $(DESTDIR)$(bindir)
	$(if $(filter %.so,$(PROGRAMS)),$(INSTALL) -D -m 644 -t \
	    $(DESTDIR)$(enginedir) $(filter %.so,$(PROGRAMS)))
	$(INSTALL) -m 644 $(filter %.1,$(MAN_PAGES)) $(DESTDIR)$(mandir)/man1
	$(INSTALL) -m 644 $(filter %.5,$(MAN_PAGES)) $(DESTDIR)$(mandir)/man5
	$(INSTALL) -m 644 etc/completion/homelabctl \
	    etc/completion/homelab-archiver $(DESTDIR)$(completiondir)
	$(INSTALL) -m 644 README.md LICENSE $(DESTDIR)$(docdir)
	@set -e; for f in $(wildcard etc/systemd/*.service); do \
	    sed -e 's|/usr/local/bin|$(bindir)|' \
		-e 's|/etc/homelab|$(sysconfdir)/homelab|' $$f \
		>$(DESTDIR)$(unitdir)/$${f##*/}; \
	    echo "$(DESTDIR)$(unitdir)/$${f##*/}"; done
	@set -e; for f in $(wildcard etc/homelab/*.ini); do \
	    $(INSTALL) -m 644 $$f $(DESTDIR)$(docdir)/examples; \
	    to=$(DESTDIR)$(sysconfdir)/homelab/$${f##*/}; \
	    if [ -e $$to ]; then echo "$$to is there: left as it is"; \
	    else $(INSTALL) -m 640 $$f $$to; echo $$to; \
	    chgrp postgres $$to 2>/dev/null || chmod 644 $$to; fi; done
	sed -e 's|/usr/local/bin|$(bindir)|' \
	    -e 's|/etc/homelab|$(sysconfdir)/homelab|' etc/cron.d/homelab \
	    >$(DESTDIR)$(docdir)/examples/homelab.cron

clean:
	rm -rf build build-asan build-tsan build-fuzz

-include $(patsubst %.o,%.d,$(call obj,$(ALL_SRC)))
-include $(patsubst %.c,build-fuzz/%.d,$(ALL_SRC) $(FUZZ_SRC))
