# The root of a small Debian for 64-bit Arm, fetched once for tests/arm/run.
# Wants what tests/need says of arm; `rm -r build/arm` forgets everything.

arm = tests/arm
out = build/arm

$(out)/debian.stamp: $(arm)/packages
	$(arm)/register
	rm -rf $(out)/root
	mkdir -p $(out)
	mmdebstrap --quiet --architectures=arm64 --variant=minbase \
		--include="$$(tr '\n' , < $(arm)/packages)" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		bookworm $(out)/root
	touch $@
