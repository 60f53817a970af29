/** What a pack tells its reader, in French and English: what is in it and how to check it with tools that are not ours. */
import type { Manifest } from './manifest.ts'

export function readmeOf({ pack, origin, size }: Pick<Manifest, 'pack' | 'origin' | 'size'>, vkey: string): string {
  return `DOSSIER DE PREUVE ${pack}
(English below)

Ce dossier montre quels clients ont lu quelles données de quels compteurs, pour quels jours, en vertu de quelle
autorisation, et ce qui a été refusé. Il vient du journal
  ${origin}
qui comptait ${size} entrées. Sa clé publique est
  ${vkey}
NE VOUS FIEZ PAS à cette ligne seule : comparez-la à la clé reçue par une autre voie (annexe du contrat, dossier
antérieur, client du service). Qui détient la clé de signature peut réécrire tout le journal ; seuls des points de
contrôle antérieurs, détenus par d'autres, le montrent.

Contenu
  manifest.json         chaque fichier avec sa taille et son empreinte SHA-256 ; manifest.note la signe
  log/                  copie entière du journal (aucune donnée personnelle) : format C2SP tlog-tiles
  entries/<n>.json      l'entrée n, octet pour octet ; entries/<n>.tlog-proof prouve qu'elle est dans le journal
  disclosures/<n>.json  champs scellés ouverts pour vous (SD-JWT, RFC 9901 § 4.2) ; absents si la personne a été effacée
  consents/<id>/        l'autorisation, les entrées de ses actes, ses pièces justificatives
  tags/                 clés d'étiquette : elles montrent que TOUTES les entrées sur ces sujets sont dans le dossier
  policies/             règles appliquées, sous leur empreinte
  report.html, .csv     déduits des entrées ; ne prouvent rien par eux-mêmes

Vérifier hors ligne, avec python3 et openssl seulement
  python3 verify/verify.py . --vkey '<clé reçue par une autre voie>'
Vérifier à la main
  1. sed '/^$/q' manifest.note | head -n -1 > texte ; sa 4e ligne est l'empreinte : sha256sum manifest.json
  2. La dernière ligne de manifest.note est « — nom base64 » : 4 octets d'identifiant de clé, puis 64 octets de signature.
     tail -n 1 manifest.note | cut -d' ' -f3 | base64 -d | tail -c 64 > sig
     openssl pkeyutl -verify -pubin -inkey keys/log.pem -rawin -in texte -sigfile sig
  3. De même pour log/checkpoint. Le journal entier se vérifie avec tout outil C2SP tlog-tiles, par exemple
     golang.org/x/mod/sumdb (Debian : golang-golang-x-mod-dev) ou tessera fsck.
  4. Un champ : l'empreinte SHA-256 (base64url) du texte de la divulgation est dans "_sd" de l'entrée ; le texte décodé
     (base64url) est [sel, nom, valeur].
  5. Une pièce : sha256sum consents/<id>/documents/* ; l'empreinte est dans le champ "attachments" d'une entrée.

Ce que ce dossier ne prouve pas : que le journal n'a pas été réécrit en entier avant votre premier point de contrôle ;
l'heure exacte (seul l'ordre est prouvé) ; ce que le client a fait des données.


EVIDENCE PACK ${pack}

This pack shows which clients read which data of which meters, for which days, under which permission, and what was
refused. It comes from the log
  ${origin}
which had ${size} entries. Its public key is
  ${vkey}
DO NOT TRUST this line alone: compare it with the key that came to you by another way (contract annex, earlier pack, a
client of the service). Whoever holds the signing key can rewrite the whole log; only earlier checkpoints in other
hands show it.

Contents
  manifest.json         every file with its size and SHA-256; manifest.note signs it
  log/                  full copy of the log (no personal data in it): C2SP tlog-tiles
  entries/<n>.json      entry n, byte for byte; entries/<n>.tlog-proof proves that it is in the log
  disclosures/<n>.json  sealed fields opened for you (SD-JWT, RFC 9901 section 4.2); absent where the person was erased
  consents/<id>/        the permission, the entries of its acts, its supporting documents
  tags/                 tag keys: they show that ALL entries about these subjects are in the pack
  policies/             the rules applied, under their hash
  report.html, .csv     derived from the entries; prove nothing by themselves

Check it offline, with python3 and openssl alone
  python3 verify/verify.py . --vkey '<the key that came by another way>'
Check it by hand
  1. sed '/^$/q' manifest.note | head -n -1 > text ; its 4th line is the hash: sha256sum manifest.json
  2. The last line of manifest.note is "— name base64": 4 bytes of key id, then 64 bytes of signature.
     tail -n 1 manifest.note | cut -d' ' -f3 | base64 -d | tail -c 64 > sig
     openssl pkeyutl -verify -pubin -inkey keys/log.pem -rawin -in text -sigfile sig
  3. The same for log/checkpoint. The whole log is verified by any C2SP tlog-tiles tool, such as
     golang.org/x/mod/sumdb (Debian: golang-golang-x-mod-dev) or tessera fsck.
  4. A field: the SHA-256 (base64url) of the disclosure's text stands in "_sd" of the entry; the text decoded
     (base64url) is [salt, name, value].
  5. A document: sha256sum consents/<id>/documents/* ; the hash stands in the field "attachments" of an entry.

What this pack does not prove: that the log was not rewritten as a whole before your first checkpoint; the exact time
(only the order is proved); what the client did with the data.
`
}
