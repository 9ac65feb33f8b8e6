# The extension, from the objects of `make library` in the same FOLDER and the bindings; CXXFLAGS name the headers.
SOURCES  = $(filter-out csrc/c/%,$(wildcard csrc/*/*.cpp))
BINDINGS = $(filter csrc/python/%,$(SOURCES))
OBJECTS  = $(BINDINGS:csrc/%.cpp=$(FOLDER)/bindings/%.o)
KERNELS  = $(patsubst csrc/%.cpp,$(FOLDER)/objects/%.o,$(filter-out $(BINDINGS),$(SOURCES)))

$(FOLDER)/_kernels.so: $(OBJECTS) $(KERNELS)
	$(CXX) -shared $^ -o $@

$(FOLDER)/bindings/%.o: csrc/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -Icsrc -fPIC -fvisibility=hidden -MMD -MP -c $< -o $@
-include $(OBJECTS:.o=.d)
