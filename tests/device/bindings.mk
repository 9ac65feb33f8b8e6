# The extension, from the objects of `make library` in the same FOLDER and the bindings; CXXFLAGS name the headers.
BINDINGS = $(wildcard csrc/bindings*.cpp)
OBJECTS  = $(BINDINGS:csrc/%.cpp=$(FOLDER)/bindings/%.o)
KERNELS  = $(patsubst csrc/%.cpp,$(FOLDER)/objects/%.o,$(filter-out $(BINDINGS),$(wildcard csrc/*.cpp)))

$(FOLDER)/_kernels.so: $(OBJECTS) $(KERNELS)
	$(CXX) -shared $^ -o $@

$(FOLDER)/bindings/%.o: csrc/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -Icsrc -fPIC -fvisibility=hidden -MMD -MP -c $< -o $@
-include $(OBJECTS:.o=.d)
