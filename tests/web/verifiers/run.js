const { isFromTokiflow } = require("./verify.js");
const cases = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map((one) => isFromTokiflow(one.secret, one.header, Buffer.from(one.body, "base64")))));
