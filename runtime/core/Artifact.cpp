//===- Artifact.cpp - a loaded artifact -----------------------------------===//
//
// Nothing of the file runs before its footer, digests and bounds have been
// checked, and no function of it is called before ABI version and processor
// features have been.
//
//===----------------------------------------------------------------------===//

#include "runtime/core/Artifact.h"

#include "runtime/core/CpuFeatures.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mercer::rt {

const char *versionString() { return MERCER_VERSION_STRING; }

/// Is [offset, offset + size) inside of [0, limit)?
static bool inside(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

Status readFooter(const MappedFile &file, const std::string &path,
                  bool verifyConstants, MercerFooter &footer) {
  if (file.size() < sizeof(MercerFooter))
    return {Code::NotAnArtifact, path,
            format("expects at least %zu bytes, got %zu", sizeof(MercerFooter),
                   file.size())};
  const uint64_t body = file.size() - sizeof(MercerFooter);
  memcpy(&footer, file.data() + body, sizeof(footer));
  if (memcmp(footer.magic, MERCER_FOOTER_MAGIC, sizeof(footer.magic)) != 0)
    return {Code::NotAnArtifact, path,
            "expects a file that ends with " MERCER_FOOTER_MAGIC
            "; it is truncated or was not written by mercerc"};
  auto damaged = [&](const char *what) {
    return Status(Code::ArtifactDamaged, path, what);
  };
  if (footer.footer_digest !=
      XXH3_64bits(&footer, offsetof(MercerFooter, footer_digest)))
    return damaged("the footer does not match its digest");
  if (footer.version != MERCER_CONTAINER_VERSION ||
      footer.footer_size != sizeof(MercerFooter))
    return {Code::AbiMismatch, path,
            format("expects container version %u, got %u",
                   MERCER_CONTAINER_VERSION, footer.version)};
  if (!inside(0, footer.elf_size, body) ||
      !inside(footer.constants_offset, footer.constants_size, body) ||
      footer.directory_count > body / sizeof(MercerConstantEntry) ||
      !inside(footer.directory_offset,
              footer.directory_count * sizeof(MercerConstantEntry), body))
    return damaged("a section lies outside of the file");
  if (footer.constants_size > 0 &&
      (footer.constants_offset < footer.elf_size ||
       footer.constants_offset % MERCER_CONSTANTS_ALIGNMENT != 0))
    return damaged("the constants overlap the code or are not page-aligned");
  if (footer.elf_digest != XXH3_64bits(file.data(), footer.elf_size))
    return damaged("the code does not match its digest");
  const char *directory = file.data() + footer.directory_offset;
  if (footer.directory_digest !=
      XXH3_64bits(directory,
                  footer.directory_count * sizeof(MercerConstantEntry)))
    return damaged("the directory of constants does not match its digest");
  for (uint64_t i = 0; i < footer.directory_count; ++i) {
    MercerConstantEntry constant;
    memcpy(&constant, directory + i * sizeof(constant), sizeof(constant));
    if (constant.offset % 64 != 0 ||
        !inside(constant.offset, constant.size, footer.constants_size))
      return {Code::ArtifactDamaged, path,
              format("constant %llu lies outside of the constants section",
                     static_cast<unsigned long long>(i))};
    // Small constants hold offsets and indices, and a wrong one of these makes
    // a wild address; they cost nothing to check.
    constexpr uint64_t smallSize = 64 << 10;
    if ((verifyConstants || constant.size <= smallSize) &&
        constant.digest !=
            XXH3_64bits(file.data() + footer.constants_offset + constant.offset,
                        constant.size))
      return {Code::ArtifactDamaged, path,
              format("constant %llu does not match its digest",
                     static_cast<unsigned long long>(i))};
  }
  return {};
}

Artifact::~Artifact() {
  if (library)
    dlclose(library);
}

/// dlopen hands out the library that it already has under a name, although the
/// file may have been replaced since. The module's identity tells the two
/// apart; another spelling of the path then loads the new one.
Status Artifact::open() {
  // Without the real path dlopen would search its own directories.
  char *real = realpath(filePath.c_str(), nullptr);
  if (!real)
    return {Code::FileUnreadable, filePath, "cannot resolve the path"};
  std::string path = real;
  free(real);
  size_t slash = path.rfind('/');
  for (int attempt = 0; attempt < 16; ++attempt, path.insert(slash, "/.")) {
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char *why = dlerror();
      return {Code::CannotLoad, filePath, why ? why : "dlopen failed"};
    }
    desc = static_cast<const MercerModuleDesc *>(
        dlsym(library, MERCER_MODULE_SYMBOL));
    if (!desc)
      return {Code::CannotLoad, filePath,
              "expects the symbol " MERCER_MODULE_SYMBOL};
    if (desc->abi_version != MERCER_ABI_VERSION)
      return {Code::AbiMismatch, filePath,
              format("expects ABI version %u, got %u", MERCER_ABI_VERSION,
                     desc->abi_version)};
    if (desc->struct_size != sizeof(MercerModuleDesc))
      return {Code::AbiMismatch, filePath,
              format("expects a descriptor of %zu bytes, got %u",
                     sizeof(MercerModuleDesc), desc->struct_size)};
    if (desc->module_id == foot.module_id)
      return {};
    dlclose(library);
    library = nullptr;
  }
  return {Code::ArtifactDamaged, filePath,
          "the code and the footer belong to different artifacts"};
}

Status Artifact::checkModule() const {
  auto malformed = [&](std::string what) {
    return Status(Code::ManifestMalformed, filePath, std::move(what));
  };
  if (contents.abiVersion != desc->abi_version)
    return {Code::AbiMismatch, filePath,
            format("the manifest names ABI version %u, the code %u",
                   contents.abiVersion, desc->abi_version)};
  if (desc->entry_count == 0 || !desc->entries ||
      desc->entry_count != contents.entries.size())
    return malformed(format("expects as many entries as the code has, %llu, "
                            "got %zu",
                            static_cast<unsigned long long>(desc->entry_count),
                            contents.entries.size()));
  for (uint64_t i = 0; i < desc->entry_count; ++i)
    if (!desc->entries[i].name || !desc->entries[i].run ||
        contents.entries[i].name != desc->entries[i].name)
      return malformed("the names of the entries differ from the code's");
  // States are shared by all entries of an artifact, so their lists agree.
  const std::vector<ValueDesc> &states = contents.entries[0].states;
  for (const EntryDesc &entry : contents.entries) {
    bool same = entry.states.size() == states.size();
    for (size_t i = 0; same && i < states.size(); ++i)
      same = entry.states[i].name == states[i].name &&
             entry.states[i].shape == states[i].shape &&
             entry.states[i].axis == states[i].axis;
    if (!same)
      return malformed("the entries list different states");
  }
  return {};
}

static bool isComplete(const MercerDeviceKernelDesc &kernel) {
  if (!kernel.entry || !kernel.code || kernel.code_size == 0 ||
      kernel.threads == 0 || kernel.format < MERCER_CODE_SPIRV ||
      kernel.format > MERCER_CODE_CUBIN ||
      (kernel.param_count > 0 && !kernel.params))
    return false;
  bool scratch = false;
  for (uint64_t i = 0; i < kernel.param_count; ++i) {
    const MercerDeviceParam &param = kernel.params[i];
    if (param.kind > MERCER_PARAM_SCRATCH || param.bytes == 0)
      return false;
    // Scratch has no launch word: it comes behind what has.
    if (scratch && param.kind != MERCER_PARAM_SCRATCH)
      return false;
    scratch = param.kind == MERCER_PARAM_SCRATCH;
  }
  return true;
}

Status Artifact::checkKernels() const {
  auto malformed = [&](const char *what) {
    return Status(Code::ManifestMalformed, filePath, what);
  };
  if (desc->kernel_count > 0 && !desc->kernels)
    return malformed("the table of kernels is missing");
  for (uint64_t i = 0; i < desc->kernel_count; ++i) {
    const MercerKernelDesc &kernel = desc->kernels[i];
    if (!kernel.name || !kernel.grid || kernel.scratch_bytes < 0 ||
        (!kernel.run && !desc->device_kernels))
      return malformed("the table of kernels has an incomplete row");
    if (desc->device_kernels && !isComplete(desc->device_kernels[i]))
      return malformed("the table of device kernels has an incomplete row");
  }
  return {};
}

void Artifact::readDirectory() {
  places.resize(foot.directory_count);
  if (!places.empty())
    memcpy(places.data(), file.data() + foot.directory_offset,
           places.size() * sizeof(MercerConstantEntry));
  for (const MercerConstantEntry &place : places)
    slots.push_back(file.data() + foot.constants_offset + place.offset);
}

/// "0.1.7" -> "0.1"
static std::string_view series(std::string_view version) {
  size_t dot = version.find('.');
  if (dot != std::string_view::npos)
    dot = version.find('.', dot + 1);
  return version.substr(0, dot);
}

Status Artifact::load(const std::string &path, const LoadOptions &options,
                      std::shared_ptr<const Artifact> &result) {
  std::shared_ptr<Artifact> artifact(new Artifact);
  artifact->filePath = path;
  if (Status status = MappedFile::open(path, artifact->file); status.failed())
    return status;
  if (Status status = readFooter(artifact->file, path, options.verifyConstants,
                                 artifact->foot);
      status.failed())
    return status;
  if (Status status = artifact->open(); status.failed())
    return status;
  const MercerModuleDesc &desc = *artifact->desc;
  if (!desc.manifest || desc.manifest_size > artifact->foot.elf_size)
    return {Code::ManifestMalformed, path, "the manifest is missing"};
  artifact->text.assign(desc.manifest, desc.manifest_size);
  if (Status status = Manifest::parse(artifact->text, path, artifact->contents);
      status.failed())
    return status;
  const Manifest &manifest = artifact->contents;
  if (Status status = artifact->checkModule(); status.failed())
    return status;
  if (Status status = artifact->checkKernels(); status.failed())
    return status;
  if (!options.anyCompiler &&
      series(manifest.compiler) != series(versionString()))
    return {Code::CompilerMismatch, path,
            format("expects an artifact of compiler version %s, got %s",
                   versionString(), manifest.compiler.c_str())};
  if (Status status = checkCpuFeatures(manifest.cpuFeatures, path);
      status.failed())
    return status;
  artifact->readDirectory();
  result = std::move(artifact);
  return {};
}

} // namespace mercer::rt
